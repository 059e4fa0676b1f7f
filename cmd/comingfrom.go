package cmd

import (
	"fmt"
	"strings"
)

// A counterpart is a command of another tool and the one of muster that takes its
// place. What does not begin with "muster" is what to do instead. STORE-PATH stands for
// the path of a system.
type counterpart struct{ theirs, ours string }

// A formerTool is a tool that users come from.
type formerTool struct {
	name     string
	commands []counterpart
}

// formerTools are those of muster help coming-from. A test runs every command.
var formerTools = []formerTool{
	{"colmena", []counterpart{
		{"colmena apply", "muster deploy"},
		{"colmena apply --on @web", "muster deploy --on @web"},
		{"colmena apply --on 'web*,@db'", "muster deploy --on 'web*,@db'"},
		{"colmena apply --on @web-*", "muster deploy --on '@web-*'"},
		{"colmena apply boot", "muster deploy --action boot"},
		{"colmena apply test", "muster deploy --action test"},
		{"colmena apply dry-activate", "muster deploy --action dry-activate"},
		{"colmena apply --reboot", "muster deploy --reboot"},
		{"colmena apply --parallel 5", "muster deploy --jobs 5"},
		{"colmena apply push", "muster push"},
		{"colmena build", "muster build"},
		{"colmena build --keep-result", "muster build --keep .gcroots"},
		{"colmena upload-keys", "muster secrets push"},
		{"colmena apply-local", "muster apply-local"},
		{"colmena apply-local --node web1", "muster apply-local --node web1"},
		{"colmena exec --on @web -- uptime", "muster exec --on @web -- uptime"},
		{"colmena eval -E '{ nodes, ... }: …'", "muster eval -E '{ nodes, ... }: nodes.web1.config.time.timeZone'"},
		{"colmena repl", "muster repl"},
		{"deployment.buildOnTarget", `build_on: "target" in the inventory`},
		{"meta.machinesFile", "builders in the inventory"},
	}},
	{"NixOps", []counterpart{
		{"nixops create network.nix", "muster init; there is no state besides the inventory"},
		{"nixops deploy", "muster deploy"},
		{"nixops deploy --include web1 web2", "muster deploy --on web1,web2"},
		{"nixops deploy --exclude db1", "muster deploy --on '!db1'"},
		{"nixops deploy --dry-run", "muster plan"},
		{"nixops deploy --build-only", "muster build"},
		{"nixops deploy --copy-only", "muster push"},
		{"nixops deploy --force-reboot", "muster deploy --reboot"},
		{"nixops send-keys", "muster secrets push"},
		{"nixops info", "muster inventory list"},
		{"nixops check", "muster status"},
		{"nixops ssh web1", "muster ssh web1"},
		{"nixops ssh web1 uptime", "muster ssh web1 uptime"},
		{"nixops ssh-for-each uptime", "muster exec -- uptime"},
		{"nixops list-generations", "muster generations"},
		{"nixops rollback 1", "muster rollback --to 1"},
		{"nixops show-option web1 time.timeZone", "muster eval --on web1 --attr config.time.timeZone"},
		{"deployment.targetEnv, resources.*", "provision of the hosts, and muster provision apply: machines are made by OpenTofu or Terraform; muster install gives them NixOS"},
	}},
	{"morph", []counterpart{
		{"morph build network.nix", "muster build"},
		{"morph build --keep-result network.nix", "muster build --keep result"},
		{"morph push network.nix", "muster push"},
		{"morph deploy network.nix switch", "muster deploy"},
		{"morph deploy network.nix boot", "muster deploy --action boot"},
		{"morph deploy network.nix test", "muster deploy --action test"},
		{"morph deploy network.nix dry-activate", "muster deploy --action dry-activate"},
		{"morph deploy --on 'web*' network.nix switch", "muster deploy --on 'web*'"},
		{"morph deploy --tagged web network.nix switch", "muster deploy --on @web"},
		{"morph deploy --reboot network.nix boot", "muster deploy --reboot"},
		{"morph check-health network.nix", "muster status"},
		{"morph upload-secrets network.nix", "muster secrets push"},
		{"morph list-secrets network.nix", "muster secrets list"},
		{"morph exec network.nix uptime", "muster exec -- uptime"},
		{"morph eval network.nix ATTRIBUTE", "muster eval --attr config.time.timeZone"},
		{"deployment.healthChecks", "health in the inventory"},
		{"network.ordering.tags", "rollout: order in the inventory"},
	}},
	{"deploy-rs", []counterpart{
		{"deploy .", "muster deploy"},
		{"deploy .#web1", "muster deploy --on web1"},
		{"deploy .#web1.home", "muster deploy --on web1 --profile home"},
		{"deploy --targets .#web1 .#web2", "muster deploy --on web1,web2"},
		{"deploy --dry-activate .", "muster deploy --action dry-activate"},
		{"deploy --boot .", "muster deploy --action boot"},
		{"deploy --interactive .", "muster plan, then muster deploy"},
		{"deploy --keep-result --result-path roots .", "muster build --keep roots"},
		{"deploy --confirm-timeout 60 .", "muster deploy --confirm-timeout 60s"},
		{"deploy --activation-timeout 300 .", "muster deploy --activate-timeout 300s"},
		{"deploy --remote-build .", `build_on: "target" in the inventory`},
		{"magicRollback, autoRollback", "always: a host that fails, or that cannot be reached afterwards, goes back"},
	}},
	{"clan", []counterpart{
		{"clan machines list", "muster inventory list"},
		{"clan machines update", "muster deploy"},
		{"clan machines update web1 web2", "muster deploy --on web1,web2"},
		{"clan machines update --tags web", "muster deploy --on @web"},
		{"clan ssh web1", "muster ssh web1"},
		{"clan vars list web1", "muster secrets list"},
		{"clan vars generate", "muster secrets generate"},
		{"clan vars upload web1", "muster secrets push --on web1"},
		{"clan machines install web1", "disks and install in the inventory, and muster install"},
		{"inventory.machines.NAME.tags, inventory.tags", "tags in the inventory"},
		{"clan.core.networking.targetHost", "host in the inventory"},
		{"clan.core.networking.buildHost", "build_on in the inventory"},
		{"clan.core.deployment.requireExplicitUpdate", "allow_all: false in the inventory"},
	}},
	{"nixinate", []counterpart{
		{"nix run .#apps.nixinate.web1", "muster deploy --on web1"},
		{"nix run .#apps.nixinate.web1-dry-run", "muster deploy --on web1 --action dry-activate"},
		{"host, sshConfigHost, sshUser, port", "host, user and port in the inventory"},
		{"buildOn = \"remote\"", `build_on: "target" in the inventory`},
		{"substituteOnTarget", "substitute in the inventory"},
	}},
	{"lollypops", []counterpart{
		{"nix run . -- --list", "muster inventory list"},
		{"nix run . -- web1", "muster deploy --on web1"},
		{"nix run . -- web1 web2", "muster deploy --on web1,web2"},
		{"nix run . -- web1:deploy-secrets", "muster secrets push --on web1"},
		{"lollypops.deployment.ssh", "host, user and ssh in the inventory"},
		{"lollypops.deployment.sudo", "privilege in the inventory"},
		{"lollypops.deployment.group", "tags in the inventory"},
		{"lollypops.secrets.files", "secrets in the inventory"},
	}},
	{"nixos-rebuild", []counterpart{
		{"nixos-rebuild switch", "muster apply-local"},
		{"nixos-rebuild switch --target-host root@web1", "muster deploy --on web1"},
		{"nixos-rebuild boot --target-host root@web1", "muster deploy --on web1 --action boot"},
		{"nixos-rebuild test --target-host root@web1", "muster deploy --on web1 --action test"},
		{"nixos-rebuild dry-activate --target-host root@web1", "muster deploy --on web1 --action dry-activate"},
		{"nixos-rebuild build", "muster build --on web1 --keep result"},
		{"nixos-rebuild switch --store-path STORE-PATH", "muster deploy --on web1 --path STORE-PATH"},
		{"nixos-rebuild switch --rollback", "muster rollback --on web1"},
		{"nixos-rebuild list-generations", "muster generations --on web1"},
		{"nixos-rebuild repl", "muster repl"},
		{"nixos-rebuild build-image --image-variant iso", "muster build --on web1 --image iso --out web1.iso"},
		{"nixos-rebuild --build-host builder", `muster build --on web1 --builders ""; a builder is "ssh://builder x86_64-linux"`},
		{"nixos-rebuild switch --upgrade", "muster update, then muster deploy"},
	}},
}

// page returns the table of a tool.
func (t *formerTool) page() string {
	width := 0
	for _, c := range t.commands {
		width = max(width, len(c.theirs))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", t.name)
	for _, c := range t.commands {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, c.theirs, c.ours)
	}
	return b.String()
}
