package cmd

import "muster/exec"

// addVerbs is the list of all verbs, in the order of the help.
func addVerbs(add func(group, use, short, long string, v verb)) {
	add("inventory", "vet [INVENTORY]", "check the inventory",
		"Check the whole inventory and say everything that is wrong with it, each problem\nwith its file, line and column.\n\n"+inventoryHelp, &vetOptions{})
	add("inventory", "compile [INVENTORY]", "print the inventory as a Nix network expression",
		"Print the Nix network expression that the inventory means.\n\n"+inventoryHelp, &compileOptions{})
	add("inventory", "eval [INVENTORY]", "print each host's system derivation",
		"Evaluate the fleet and print each host's system derivation.\n\n"+inventoryHelp, &evalOptions{})

	add("inventory", "inventory list [INVENTORY]", "list the hosts", "List the hosts, with where each comes from.\n\n"+inventoryHelp, &inventoryOptions{verb: "list"})
	add("inventory", "inventory show [INVENTORY]", "print every value and where it comes from", "Print every value of the resolved inventory and the place it comes from.\n\n"+inventoryHelp, &inventoryOptions{verb: "show"})
	add("inventory", "inventory get PATH [INVENTORY]", "print one value", "Print the value at PATH, such as hosts.web1.host.\n\n"+inventoryHelp, &inventoryOptions{verb: "get"})
	add("inventory", "fmt [FILE]", "format the inventory",
		"Format the CUE files of an inventory in place. FILE is a file, a directory, or - for\nstandard input; the current directory where it is left out.", &fmtOptions{})
	add("inventory", "init [DIR]", "begin an inventory",
		"Write hosts.cue to start from, and a CUE module with the schema, so that cue vet and\nthe CUE language server know it offline. Nothing that exists is overwritten but the\nschema.", &initOptions{})
	add("inventory", "schema", "print the schema of inventories",
		"Print the schema of inventories, as CUE or as JSON Schema. Editors check and complete\nTOML, YAML and JSON by the latter. Save it beside the inventory:\n\n  muster schema --json-schema > inventory.schema.json\n\nand name it in the first line:\n\n  #:schema ./inventory.schema.json                       hosts.toml (taplo)\n  # yaml-language-server: $schema=inventory.schema.json  hosts.yaml\n  {\"$schema\": \"inventory.schema.json\",                  hosts.json", &schemaOptions{})

	add("fleet", "build [INVENTORY]", "build the systems here",
		"Build the hosts' systems in the local store.\n\n"+inventoryHelp, &deployOptions{action: exec.BuildOnly})
	add("fleet", "push [INVENTORY]", "build the systems and copy them to the hosts",
		"Build the hosts' systems and copy to each host what it lacks of its own. Nothing is\nactivated. With --path, copy store paths and all they refer to instead.\n\n"+inventoryHelp, &pushOptions{deployOptions: deployOptions{action: exec.Push}})
	add("fleet", "deploy [INVENTORY]", "build, copy and activate",
		"Build the hosts' systems, copy to each host what it lacks, and activate. A host whose\nactivation fails goes back to the generation it had.\n\n"+inventoryHelp+"\n\n"+exitStatusHelp, &deployOptions{action: exec.Switch})
	add("fleet", "export [INVENTORY]", "write the systems to an archive, for machines without SSH",
		"Build the hosts' systems and write them, with all they refer to, to an archive: a binary\ncache as a directory or as one file, with what to run inside. An export that was broken\noff goes on where it stopped. \"muster import\" brings it to the machine.\n\n"+inventoryHelp, &exportOptions{})
	add("fleet", "import ARCHIVE", "load an archive on the machine it is for, and activate",
		"Check an archive of \"muster export\", load what this machine lacks of it, set the system\nprofile and activate. A damaged or incomplete archive is refused whole, before anything\nis touched.\n\n"+exitStatusHelp, &importOptions{})
	add("fleet", "plan [INVENTORY]", "say what deploy would change, host by host",
		"Connect to the hosts, build their systems here, and say for each what deploying\nwould change: packages, what is to be copied, units, whether a restart is needed,\nand in which wave. Nothing on the hosts is changed. --out saves the plan.\n\n"+inventoryHelp, &planOptions{})
	add("fleet", "apply PLAN", "carry out a saved plan",
		"Do exactly what a plan saved by muster plan --out says. A host that is no longer\nwhat it was when the plan was made is left alone, and fails.\n\n"+exitStatusHelp, &applyOptions{})
	add("fleet", "resume [INVENTORY]", "go on with a run that was interrupted",
		"Go on with the last run of the fleet that did not come to its end, be it interrupted,\nkilled or crashed. What counts is what the hosts are on; an activation that still\nwaits on a host for its confirmation is confirmed.\n\n"+inventoryHelp+"\n\n"+exitStatusHelp, &resumeOptions{})
	add("fleet", "retry [INVENTORY]", "do the last run again for the hosts that failed",
		"Do the last run of the fleet again, with the same systems, for the hosts that failed,\nwere rolled back or were skipped.\n\n"+inventoryHelp+"\n\n"+exitStatusHelp, &resumeOptions{retry: true})
	add("fleet", "status [INVENTORY]", "compare the hosts with the inventory",
		"Say of each host whether it is what the inventory says: in sync, behind, on a\ngeneration that somebody else has made; whether it needs a restart, and which units\nhave failed. The exit status is 0 if all is well, and 3 if anything is not.\n\n"+inventoryHelp, &statusOptions{})
	add("fleet", "exec [INVENTORY] -- COMMAND...", "run a command on the hosts",
		"Run a command on hosts as root, side by side. Its words arrive as they are; for a\nshell, say: -- sh -c 'uptime; free'.\n\n"+inventoryHelp, &execOptions{})
	add("fleet", "gc [INVENTORY]", "remove old generations and collect garbage",
		"Remove old generations of the hosts' system profiles, and what nothing needs any\nmore. The current generation, the one that runs and the one that was booted stay.\n\n"+inventoryHelp, &gcOptions{})
	add("fleet", "generations [INVENTORY]", "list the generations the hosts have",
		"List the generations of the hosts' system profiles, oldest first.\n\n"+inventoryHelp, &generationsOptions{})
	add("fleet", "rollback [INVENTORY]", "return hosts to an earlier generation",
		"Return hosts to the generation before the current one, or to the one given.\n\n"+inventoryHelp+"\n\n"+exitStatusHelp, &rollbackOptions{})

	add("more", "demo", "deploy three throw-away machines on this computer",
		"Start three machines on this computer, each a network namespace with its own store\nand sshd, and take them through vet, compile, eval, build, deploy, a change, a second\ndeploy and a rollback, for real. Needs Linux, root, and the Debian packages nix-bin,\nopenssh-server and iproute2 or their like.", &demoOptions{})
}
