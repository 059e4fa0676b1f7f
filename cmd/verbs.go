package cmd

import "muster/exec"

// exampleLines are command lines of a verb and what each is for. A verb has two.
type exampleLines []struct{ line, what string }

// An entry is a verb with its place in the help and its texts there.
type entry struct {
	group string // of the help
	use   string // its names and arguments, as splitUse reads them
	short string
	long  string
	verb  verb

	examples exampleLines
}

// verbs lists all verbs, in the order of the help.
func verbs() []entry {
	return []entry{
		{group: "inventory", use: "vet [INVENTORY]", examples: exampleLines{{"muster vet", "check the inventory of this directory"}, {"muster vet --strict --format sarif", "for CI: warnings count, and the report is one that forges read"}}, verb: &vetOptions{}, short: "check the inventory", long: `
Check the whole inventory and print every problem with its file, line and
column.

` + inventoryHelp},
		{group: "inventory", use: "compile [INVENTORY]", examples: exampleLines{{"muster compile", "print the Nix of the whole fleet"}, {"muster compile --output network.nix", "write it to a file, for other tools"}}, verb: &compileOptions{}, short: "print the inventory as a Nix network expression", long: `
Print the Nix network expression that the inventory means.

` + inventoryHelp},
		{group: "inventory", use: "eval [INVENTORY]", examples: exampleLines{{"muster eval --on @web --attr config.networking.hostName", "read an option of the hosts with a tag"}, {"muster eval -E '{ nodes, ... }: builtins.attrNames nodes'", "evaluate an expression over the hosts"}}, verb: &evalOptions{}, short: "print each host's system derivation", long: `
Evaluate the fleet and print each host's system derivation.

With --expr, a function such as '{ nodes, pkgs, lib, ... }: …' is called with the
hosts, and its result is printed. With --expr or --file and an INVENTORY, so is any
other function, and an expression sees nodes, pkgs and lib as "muster repl" has them.

` + inventoryHelp},
		{group: "inventory", use: "repl [INVENTORY]", examples: exampleLines{{"muster repl", "look at the hosts of this directory's inventory"}, {"muster repl staging/hosts.toml", "and of another"}}, verb: &replOptions{}, short: "evaluate expressions over the hosts, as they are typed", long: `
Read Nix expressions, evaluate them over the hosts, and print what they are:

  muster> nodes.web1.config.networking.firewall.allowedTCPPorts

nodes has the hosts by name, pkgs the packages of the first host, lib their library.
From a pipe, each line is one input, and the exit status is 1 if one of them failed.

` + replHelp + "\n" + inventoryHelp},
		{group: "inventory", use: "inventory list [INVENTORY]", examples: exampleLines{{"muster inventory list", "list the hosts and where each is written"}, {"muster inventory list --json", "the same for programs"}}, verb: &inventoryOptions{verb: "list"}, short: "list the hosts", long: `
List the hosts and the place in the inventory that each comes from.

` + inventoryHelp},
		{group: "inventory", use: "inventory show [INVENTORY]", examples: exampleLines{{"muster inventory show", "print every value that the inventory comes to"}, {"muster inventory show --on web1", "those of one host"}}, verb: &inventoryOptions{verb: "show"}, short: "print every value and where it comes from", long: `
Print every value of the resolved inventory and the place it comes from.

` + inventoryHelp},
		{group: "inventory", use: "inventory get PATH [INVENTORY]", examples: exampleLines{{"muster inventory get hosts.web1.host", "print one value"}, {"muster inventory get hosts.web1", "print all values of a host"}}, verb: &inventoryOptions{verb: "get"}, short: "print one value", long: `
Print the value at PATH, such as hosts.web1.host.

` + inventoryHelp},
		{group: "inventory", use: "fmt [FILE]", examples: exampleLines{{"muster fmt", "format the CUE files of this directory"}, {"muster fmt -", "format standard input, for an editor"}}, verb: &fmtOptions{}, short: "format the inventory", long: `
Format the CUE files of an inventory in place. FILE is a file, a directory, or -
for standard input; the default is the current directory.`},
		{group: "inventory", use: "init [DIR]", examples: exampleLines{{"muster init", "begin a fleet in this directory"}, {"muster init --from root@192.0.2.1 fleet", "begin one with a machine that runs"}}, verb: &initOptions{}, short: "begin an inventory", long: `
Write a hosts.cue to start from, and a CUE module with the schema, by which cue
vet and the CUE language server check it offline. Of what exists, only the schema
is overwritten. At the end it says what to do next.

With --from, begin with what is there: a machine that runs, which muster adopt reads; an
inventory in TOML, YAML or JSON beside it, which is written as CUE; or the fleet of
another tool, which muster convert carries over. On a terminal, muster init asks.`},
		{group: "inventory", use: "convert [SOURCE...]", examples: exampleLines{{"muster convert", "carry over the flake of this directory"}, {"muster convert hive.nix", "carry over the hive of colmena"}}, verb: &convertOptions{}, short: "write the inventory of a fleet that another deployer has", long: `
Evaluate the fleet of another deployer and write an inventory that means the same.
SOURCE is a flake (colmenaHive, colmena, deploy.nodes, nixopsConfigurations, clan, or
nixosConfigurations alone, with nixinate, lollypops or nothing), or the file of a
colmena hive or a morph network, or the files of a NixOps network; the current
directory by default. The source stays as it is: hosts are the systems that it
evaluates to. What cannot be carried over is listed with its place, on standard error
and in the inventory.

At the end the derivations of the hosts' systems, without their secrets, are compared
with those of the source; the exit status is 3 where one differs.`},
		{group: "inventory", use: "update [INPUT...] [INVENTORY]", examples: exampleLines{{"muster update", "pin all inputs to their newest commits"}, {"muster update nixpkgs --plan", "pin one, and show what that changes on the hosts"}}, verb: &updateOptions{}, short: "pin the inputs to what is newest", long: `
Find the newest commit or content of each input that the inventory names, of the
branch, tag or address that it says, and write it to muster.lock, with the inputs that
flakes among them take. With names, only those inputs move. Everything is fetched, so
that evaluation needs no network afterwards. INVENTORY is told from an input by a dot
or slash in it.

` + inventoryHelp},
		{group: "inventory", use: "fetch [INVENTORY]", examples: exampleLines{{"muster fetch", "fetch the inputs of this directory's fleet"}, {"muster fetch staging", "and of another"}}, verb: &fetchOptions{}, short: "fetch all inputs, to evaluate without a network", long: `
Fetch every input of the fleet as it is pinned, with the inputs of flakes among them and
of the flakes that hosts are systems of, into muster's cache. Evaluation needs no network
afterwards.

` + inventoryHelp},
		graphVerb(), simulateVerb(),
		{group: "inventory", use: "schema", examples: exampleLines{{"muster schema", "print the schema as CUE, with what each field means"}, {"muster schema --json-schema", "print it for editors of TOML, YAML and JSON"}}, verb: &schemaOptions{}, short: "print the schema of inventories", long: `
Print the schema of inventories, as CUE or as JSON Schema. With the latter,
editors check and complete TOML, YAML and JSON. Save it beside the inventory:

  muster schema --json-schema > inventory.schema.json

and name it in the first line:

  #:schema ./inventory.schema.json                       hosts.toml (taplo)
  # yaml-language-server: $schema=inventory.schema.json  hosts.yaml
  {"$schema": "inventory.schema.json",                   hosts.json`},
		{group: "inventory", use: "adopt USER@ADDRESS... [INVENTORY]", examples: exampleLines{{"muster adopt root@192.0.2.1", "write a host for a machine that runs"}, {"muster adopt root@192.0.2.1 --update", "take over what changed on it since"}}, verb: &adoptOptions{}, short: "bring running machines into the inventory", long: `
Connect to running machines, NixOS or any other Linux, read what they are made of,
and write a host into the inventory and a NixOS module with its hardware beside it,
as hardware/NAME.nix. Nothing on the machines is changed. Without an inventory,
hosts.cue is begun. The host key of an unknown machine is accepted with a yes, or by
its fingerprint, and pinned.

For a machine that the inventory has, show in what it differs from what the inventory
and the module say. The exit status is then 3, and nothing is written unless --update
says so.

` + inventoryHelp},

		{group: "inventory", use: "secrets list [INVENTORY]", examples: exampleLines{{"muster secrets list", "list the secrets of all hosts"}, {"muster secrets list --on web1", "list those of one"}}, verb: &secretsOptions{verb: "list"}, short: "list the secrets", long: `
List the secrets of the hosts, where their contents come from, and what becomes
of them. No content is read.

` + inventoryHelp},
		{group: "inventory", use: "secrets check [INVENTORY]", examples: exampleLines{{"muster secrets check", "see that every secret can be read here"}, {"muster secrets check --on @web", "see it for some hosts"}}, verb: &secretsOptions{verb: "check"}, short: "try to read every secret", long: `
Read every secret of the hosts, and tell of those that cannot be read. Nothing of
their contents is printed.

` + inventoryHelp},
		{group: "inventory", use: "secrets generate [INVENTORY]", examples: exampleLines{{"muster secrets generate", "make the secrets that are not there yet"}, {"muster secrets generate --on web1", "make those of one host"}}, verb: &secretsOptions{verb: "generate"}, short: "make the secrets that are to be generated", long: `
Make the secrets with generate whose files are not there yet, encrypted to
secret_recipients of the inventory.

` + inventoryHelp},
		secretsRenewEntry(),
		{group: "inventory", use: "secrets rotate SECRET [INVENTORY]", examples: exampleLines{{"muster secrets rotate db-password", "make a secret anew"}, {"muster secrets rotate ca.age", "begin to replace an authority"}}, verb: &secretsOptions{verb: "rotate"}, short: "make a generated secret anew", long: `
Make a secret with generate anew. muster deploy sends it. With the file of an authority,
such as ca.age, do the next of three steps that replace it.

` + inventoryHelp},
		{group: "inventory", use: "secrets edit SECRET [INVENTORY]", examples: exampleLines{{"muster secrets edit db-password", "change a secret in $EDITOR"}, {"muster secrets edit secrets/db.age", "name it by its file"}}, verb: &secretsOptions{verb: "edit"}, short: "change a secret in an editor", long: `
Decrypt the age file of a secret, have it changed with $VISUAL, $EDITOR or vi, and
encrypt it to secret_recipients of the inventory. The plain text is in memory only.

` + inventoryHelp},
		{group: "inventory", use: "secrets rekey [INVENTORY]", examples: exampleLines{{"muster secrets rekey", "encrypt all to those who may read them now"}, {"muster secrets rekey --on web1", "encrypt those of one host"}}, verb: &secretsOptions{verb: "rekey"}, short: "encrypt all secrets to those who may read them now", long: `
Decrypt the age files of the hosts' secrets, and encrypt them to the
secret_recipients that the inventory has now.

` + inventoryHelp},

		meshAssignEntry(), meshSwitchEntry(),
		{group: "fleet", use: "secrets push [INVENTORY]", examples: exampleLines{{"muster secrets push", "bring changed secrets to all hosts"}, {"muster secrets push --on @db", "bring them to some"}}, verb: &pushSecretsOptions{}, short: "bring secrets to the hosts, and leave their systems alone", long: `
Send each host the secrets that changed, bring them into its memory, and restart
or reload the units that asked for it. A host whose units do not run with them gets
back those it had.

` + inventoryHelp},
		{group: "fleet", use: "build [INVENTORY]", examples: exampleLines{{"muster build --on web1 --keep result", "build a system, and keep it from the garbage collector"}, {"muster build --on web1 --image iso --out web1.iso", "build an image of a host"}}, verb: &deployOptions{action: exec.BuildOnly}, short: "build the systems here", long: `
Build the hosts' systems in the local store. With --push-to, copy them to a store
such as a binary cache. With --image, build an image of each host instead.

` + inventoryHelp},
		{group: "fleet", use: "push [INVENTORY]", examples: exampleLines{{"muster push", "build, and copy to all hosts what they lack"}, {"muster push --on 'web*'", "copy to some, before a night's deployment"}}, verb: &pushOptions{deployOptions: deployOptions{action: exec.Push}}, short: "build the systems and copy them to the hosts", long: `
Build the hosts' systems and copy to each host what it lacks. Nothing is
activated. With --path, copy store paths and all they refer to instead.

` + inventoryHelp},
		{group: "fleet", use: "deploy [INVENTORY]", examples: exampleLines{{"muster deploy --on web1", "bring one host to what the inventory says"}, {"muster deploy --on @web --action boot --reboot", "activate by a restart, for the hosts with a tag"}}, verb: &deployOptions{action: exec.Switch}, short: "build, copy and activate", long: `
Build the hosts' systems, copy to each host what it lacks, and activate. A host
whose activation fails returns to the generation it had. On a terminal, all hosts of a
fleet are deployed after a yes: --on chooses hosts, --yes asks nothing.

` + inventoryHelp + "\n\n" + exitStatusHelp},
		{group: "fleet", use: "apply-local [INVENTORY]", examples: exampleLines{{"muster apply-local", "deploy this machine, by its name"}, {"muster apply-local --node web1", "say which host it is"}}, verb: &applyLocalOptions{deployOptions: deployOptions{action: exec.Switch}}, short: "deploy the machine that muster runs on", long: `
Build the system of the host that this machine is, by its name or --node, and
activate it here, without SSH.

` + inventoryHelp + "\n\n" + exitStatusHelp},
		{group: "fleet", use: "install HOST [HOST...] [INVENTORY]", examples: exampleLines{{"muster install web1", "give a machine its first system; asks before it wipes disks"}, {"muster install web1 --in-place", "put NixOS in the place of the Linux that it runs"}}, verb: &installOptions{}, short: "make hosts of machines that have no NixOS yet", long: `
Give each HOST its first system, on a machine that runs an installer or a rescue
system, or another Linux that install.kexec of the inventory changes into one. The
disks that the inventory names by id are wiped, when you have agreed. An installation
that was interrupted goes on where it was when it is begun again, and with "muster
resume".

With --in-place, NixOS takes the place of the Linux that a machine runs, on the file
systems that are mounted there; what was on the root file system goes to /old-root.

A last argument with a "/" or a "." in it is the INVENTORY.
` + inventoryHelp + "\n\n" + exitStatusHelp},
		{group: "fleet", use: "export [INVENTORY]", examples: exampleLines{{"muster export --on web1 --to web1.tar", "write a system to a file, for a machine without SSH"}, {"muster export --to stick/", "write all to a directory"}}, verb: &exportOptions{}, short: "write the systems to an archive, for machines without SSH", long: `
Build the hosts' systems and write them, with all they refer to, to an archive: a
binary cache as a directory or as one file, with instructions. An export that was
interrupted continues where it stopped. On the machine, run "muster import".

` + inventoryHelp},
		{group: "fleet", use: "import ARCHIVE", examples: exampleLines{{"muster import web1.tar", "on the machine: load the archive and activate"}, {"muster import stick/ --host web1", "say which host this machine is"}}, verb: &importOptions{}, short: "load an archive on the machine it is for, and activate", long: `
Check an archive of "muster export", load what this machine lacks, set the system
profile and activate. A damaged or incomplete archive is refused before anything
changes.

` + exitStatusHelp},
		{group: "fleet", use: "plan [INVENTORY]", examples: exampleLines{{"muster plan", "show what deploy would change on each host"}, {"muster plan --on @web --out plan.json", "save a plan, for muster apply"}}, verb: &planOptions{}, short: "show what deploy would change, host by host", long: `
Connect to the hosts, build their systems here, and show for each what deploying
would change: options, packages, paths to copy, units, whether a restart is needed,
and in which wave. Nothing on the hosts is changed. --out saves the plan. Options are
named where the host's present system was deployed from here, or with --no-hosts.

Of units it lists those that stop, start, restart and reload; those that ran once
and run again; those that change and are left running ("leave"); what cannot be
foretold ("unknown"); and what NixOS leaves to you ("undone").

` + inventoryHelp},
		{group: "fleet", use: "apply PLAN", examples: exampleLines{{"muster apply plan.json", "carry out a saved plan"}, {"muster apply plan.json --reboot", "and restart hosts that need it"}}, verb: &applyOptions{}, short: "carry out a saved plan", long: `
Do exactly what a plan saved by "muster plan --out" says. A host that has changed
since the plan was made fails, and is not touched; one that already is what the plan
says is unchanged.

` + exitStatusHelp},
		{group: "fleet", use: "resume [INVENTORY]", examples: exampleLines{{"muster resume", "continue the last run"}, {"muster resume --run 20260102-150405-abcd", "continue a certain one"}}, verb: &resumeOptions{}, short: "continue a run that was interrupted", long: `
Continue the last run of the fleet where it did not end, whether it was interrupted,
killed or crashed. An activation that still waits on a host for its confirmation is
confirmed. A host that is neither what the run had found nor what it was to have is
left alone. A run that a newer one has overtaken is continued only with --run, and
after a yes.

` + inventoryHelp + "\n\n" + exitStatusHelp},
		{group: "fleet", use: "retry [INVENTORY]", examples: exampleLines{{"muster retry", "repeat the last run where it failed"}, {"muster retry --reboot", "and restart hosts that need it"}}, verb: &resumeOptions{retry: true}, short: "repeat the last run for the hosts that failed", long: `
Repeat the last run of the fleet, with the same systems, for the hosts that
failed, were rolled back or were skipped. A host that was changed since is left
alone.

` + inventoryHelp + "\n\n" + exitStatusHelp},
		{group: "fleet", use: "status [INVENTORY]", examples: exampleLines{{"muster status", "compare all hosts with the inventory"}, {"muster status --on @web --output json", "some, for programs"}}, verb: &statusOptions{}, short: "compare the hosts with the inventory", long: `
Show for each host whether it is as the inventory says: in sync, behind, or on a
generation that muster did not deploy; whether it needs a restart; which units have
failed; and, on hosts that run the right system, which health checks fail. The exit
status is 0 if all is well, and 3 otherwise.

` + inventoryHelp},
		{group: "fleet", use: "exec [INVENTORY] -- COMMAND...", examples: exampleLines{{"muster exec --on @web -- systemctl --failed", "run a command on some hosts"}, {"muster exec -- sh -c 'uptime; free'", "use a shell on all"}}, verb: &execOptions{}, short: "run a command on the hosts", long: `
Run a command on hosts as root, in parallel. Its arguments reach the host
unchanged. For a shell, write: -- sh -c 'uptime; free'. Of what a host prints,
4 MB are shown: each line with its host, as it comes. With --ordered, hosts come in
the inventory's order; with --grouped, those that print the same have one entry. Of
several hosts, the last line of standard error counts those that ran and names those
that failed.

` + inventoryHelp},
		{group: "fleet", use: "ssh HOST [INVENTORY] [--] [COMMAND...]", examples: exampleLines{{"muster ssh web1", "log in"}, {"muster ssh web1 -- journalctl -u sshd -n 20", "run a command"}}, verb: &sshOptions{}, short: "log in on a host", long: `
Run ssh with what the inventory says of HOST: its address, port, user, jump hosts and
host keys. As with ssh, the words of COMMAND are joined by spaces, and the shell of the
host reads them. A COMMAND that has flags, or is one word with a "/" or a "." in it,
stands behind --.

With -G, print what the SSH configuration means for HOST, in the format of ssh -G.
HOST may then be [USER@]ADDRESS where no inventory has a host of that name.

` + inventoryHelp},
		kubeconfigEntry(), clusterStatusEntry(), clusterRemoveEntry(),
		trustEntry(),
		publishVerb(), agentVerb(), pruneVerb(),
		provisionPlanVerb(), provisionApplyVerb(), provisionDestroyVerb(), provisionShowVerb(),
		reportVerb(),
		{group: "fleet", use: "gc [INVENTORY]", examples: exampleLines{{"muster gc --keep 5", "keep five generations on each host"}, {"muster gc --newer-than 720h --dry-run", "see what would go if a month stayed"}}, verb: &gcOptions{}, short: "remove old generations and collect garbage", long: `
Remove old generations of the hosts' systems and profiles, and collect garbage. The
current generation, the running one and the booted one stay.

` + inventoryHelp},
		{group: "fleet", use: "generations [INVENTORY]", examples: exampleLines{{"muster generations", "list the generations of all hosts"}, {"muster generations --on web1", "list those of one"}}, verb: &generationsOptions{}, short: "list the generations of the hosts", long: `
List the generations of the hosts' systems and profiles, oldest first.

` + inventoryHelp},
		historyVerb(), showVerb(), logsVerb(), eventsVerb(),
		{group: "fleet", use: "rollback [INVENTORY]", examples: exampleLines{{"muster rollback", "undo the last deployment on its hosts"}, {"muster rollback --on web1 --to 41", "go to a generation"}}, verb: &rollbackOptions{}, short: "undo the last deployment", long: `
Undo the last deployment: the hosts that it changed go back to what they ran before,
the others are left alone. Which deployment is the last, the hosts say: it is the
newest that any of those chosen with --on took part in and has not undone. Another
rollback undoes the deployment before that one. A host that was changed since by
other means fails: name its generation with --to.

Where no chosen host has had a deployment of this muster, each goes to the generation
before the current one. A generation that was made and never confirmed is never
chosen. --to names a generation for every chosen host; going to a newer one counts
as a deployment. --dry-run shows where each host would go.

` + inventoryHelp + "\n\n" + exitStatusHelp},

		versionEntry(),
		manEntry(),
		{group: "more", use: "demo", examples: exampleLines{{"muster demo", "see a whole deployment on this computer"}, {"muster demo --shell", "have the machines for yourself, until you leave the shell"}}, verb: &demoOptions{}, short: "deploy three throw-away machines on this computer", long: `
Start three machines on this computer, each a network namespace with its own store
and sshd, and show vet, compile, eval, build, deploy, a change, a second deploy and
a rollback on them; --shell leaves all of that to you. Needs Linux, root, and the
Debian packages nix-bin, openssh-server and iproute2 or equivalents.`},
	}
}
