package convert

import "maps"

// A Rule is what becomes of one setting of another deployer.
type Rule struct {
	// Field is the field of the inventory that it becomes; "" for none.
	Field string
	// Instead is what happens instead of what a setting without Field says.
	Instead string
	// Always says that Instead is what the setting means too: nothing is lost.
	Always bool
	// Unless are values, as JSON, by which nothing is lost.
	Unless []string

	carry func(e *entry, s *Setting)
}

// become is the rule of a setting that becomes a field.
func become(field string, carry func(e *entry, s *Setting)) Rule {
	return Rule{Field: field, carry: carry}
}

// instead is the rule of a setting that has no counterpart.
func instead(text string) Rule { return Rule{Instead: text} }

// unless is instead with values by which nothing is lost.
func unless(text string, values ...string) Rule {
	return Rule{Instead: text, Unless: append(values, "null")}
}

// kept is the rule of a setting that keeps its meaning without a field.
func kept(text string) Rule { return Rule{Instead: text, Always: true} }

const inNodes = NodesFile + " evaluates the hosts with it"

// Rules are the rules for the settings of hosts, by the deployer that has them. A
// setting without a rule is listed when somebody sets it.
var Rules = map[Kind]map[string]Rule{
	Colmena:  with(deployment, colmenaRules),
	Morph:    with(deployment, morphRules),
	NixOps:   with(deployment, nixopsRules),
	DeployRS: deployRSRules,
	Nixinate: with(deployment, nixinateRules, lollypopsRules, clanRules),
}

// AboutRules are the rules for what a fleet says of itself.
var AboutRules = map[string]Rule{
	"name":            kept("the inventory has no name"),
	"description":     become("network.description", nil),
	"nixpkgs":         kept(inNodes),
	"nodeNixpkgs":     kept(inNodes),
	"specialArgs":     kept(inNodes),
	"nodeSpecialArgs": kept(inNodes),
	"pkgs":            kept(inNodes),
	"lib":             kept(inNodes),
	"evalConfig":      kept(inNodes),
	"runCommand":      kept("muster joins no systems to one derivation"),
	"machinesFile":    become("builders", nil),
	"allowApplyAll":   become("defaults.allow_all", nil),
	"ordering":        become("rollout.order", nil),
	"nixConfig":       instead("settings of Nix are those of nix.conf where muster runs"),
	"buildShell":      instead("muster builds without a shell of its own"),
	"enableRollback":  become("network.enable_rollback", nil),
	"storage":         kept("muster keeps no state of its own"),
	"lock":            kept("muster locks each host while it works on it"),
	"resources":       instead("muster makes no machines, keys or other resources; modules that read them get what the network says"),
}

// rulesOf are the rules of a kind.
func rulesOf(k Kind) map[string]Rule {
	if r, ok := Rules[k]; ok {
		return r
	}
	return Rules[Nixinate] // all that systems of a flake may say
}

func with(sets ...map[string]Rule) map[string]Rule {
	all := map[string]Rule{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}

// deployment are the options that several deployers have.
var deployment = map[string]Rule{
	"deployment.targetHost":                 become("host", (*entry).targetHost),
	"deployment.targetPort":                 become("port", (*entry).targetPort),
	"deployment.targetUser":                 become("user", (*entry).targetUser),
	"deployment.tags":                       become("tags", (*entry).setTags),
	"deployment.keys":                       become("secrets", (*entry).keys),
	"deployment.privilegeEscalationCommand": become("privilege", (*entry).escalation),
	"deployment.sshOptions":                 become("ssh, port, user, jump", (*entry).sshOptions),
	"networking.privateIPv4":                kept("the modules read it as before"),
	"networking.publicIPv4":                 kept("the modules read it as before"),
	"networking.vpnPublicKey":               kept("the modules read it as before"),
}

var colmenaRules = map[string]Rule{
	"deployment.allowLocalDeployment":   become("local", (*entry).allowLocal),
	"deployment.buildOnTarget":          become("build_on", (*entry).buildOnTarget),
	"deployment.replaceUnknownProfiles": become("replace_foreign", (*entry).replaceUnknown),
}

var morphRules = map[string]Rule{
	"deployment.targetUser":              become("user", (*entry).targetUser),
	"deployment.buildOnly":               become("host", (*entry).buildOnly),
	"deployment.substituteOnDestination": become("substitute", (*entry).substitutes),
	"deployment.secrets":                 become("secrets", (*entry).morphSecrets),
	"deployment.healthChecks":            become("health", (*entry).healthChecks),
	"deployment.preDeployChecks":         become("health", (*entry).preDeployChecks),
}

const noCloud = "muster makes no machines: the host is one that exists, at the address of the inventory"

var nixopsRules = with(map[string]Rule{
	"deployment.name":                       kept("it has no meaning without NixOps"),
	"deployment.uuid":                       kept("it has no meaning without NixOps"),
	"deployment.arguments":                  kept(NodesFile + " passes them"),
	"deployment.targetEnv":                  unless(noCloud, `"none"`),
	"deployment.provisionSSHKey":            kept("muster logs in with the user's own SSH keys"),
	"deployment.alwaysActivate":             unless("a host that is up to date is not activated again; --force does it", "false"),
	"deployment.owners":                     unless("muster sends no mail; a hook of rollout can", "[]"),
	"deployment.hasFastConnection":          become("substitute", (*entry).fastConnection),
	"deployment.autoLuks":                   instead("muster makes no disks of a cloud; disks and muster install make those of machines"),
	"deployment.autoRaid0":                  instead("muster makes no disks of a cloud; disks and muster install make those of machines"),
	"deployment.encryptedLinksTo":           instead("muster makes no tunnels between hosts"),
	"deployment.storeKeysOnMachine":         instead("muster keeps secrets in the host's memory, or encrypted to its SSH host key"),
	"_name":                                 kept("the modules read it as before"),
	"_type":                                 kept("the modules read it as before"),
	"deployment.autoLuks.passphrase":        instead("muster makes no disks of a cloud"),
	"deployment.autoLuks.autoFormat":        instead("muster makes no disks of a cloud"),
	"deployment.autoLuks.cipher":            instead("muster makes no disks of a cloud"),
	"deployment.autoRaid0.devices":          instead("muster makes no disks of a cloud"),
	"deployment.container":                  instead("muster makes no containers; a NixOS container is part of its machine's system"),
	"deployment.none":                       instead(noCloud),
	"deployment.datadog":                    instead("muster sends no events; a hook of rollout can"),
	"deployment.route53":                    instead("muster makes no DNS records; a hook of rollout can"),
	"deployment.privilegeEscalation":        instead("privilege of the inventory says how muster becomes root"),
	"deployment.libvirtd":                   instead(noCloud),
	"deployment.virtualbox":                 instead(noCloud),
	"deployment.vbox":                       instead(noCloud),
	"deployment.ec2":                        instead(noCloud),
	"deployment.gce":                        instead(noCloud),
	"deployment.azure":                      instead(noCloud),
	"deployment.digitalOcean":               instead(noCloud),
	"deployment.droplet":                    instead(noCloud),
	"deployment.hcloud":                     instead(noCloud),
	"deployment.hetzner":                    {Instead: noCloud, carry: (*entry).hetzner},
	"deployment.linode":                     instead(noCloud),
	"deployment.packet":                     instead(noCloud),
	"deployment.proxmox":                    instead(noCloud),
	"deployment.vultr":                      instead(noCloud),
	"environment.checkConfigurationOptions": kept(inNodes),
})

var deployRSRules = map[string]Rule{
	"hostname":          become("host", (*entry).targetHost),
	"sshUser":           become("user", (*entry).targetUser),
	"user":              become("privilege", (*entry).profileUser),
	"sudo":              become("privilege", (*entry).sudoForUser),
	"interactiveSudo":   become("privilege", (*entry).interactiveSudo),
	"sshOpts":           become("ssh, port, user, jump", (*entry).sshOptions),
	"fastConnection":    become("substitute", (*entry).fastConnection),
	"remoteBuild":       become("build_on", (*entry).buildOnTarget),
	"magicRollback":     become("guard", (*entry).magicRollback),
	"autoRollback":      become("rollback", (*entry).autoRollback),
	"confirmTimeout":    become("timeouts.confirm", (*entry).confirmTimeout),
	"activationTimeout": become("timeouts.activate", (*entry).activationTimeout),
	"tempPath":          kept("muster needs no directory for it"),
	"profiles":          become("profiles", (*entry).profile),
	"profilesOrder":     become("profiles", (*entry).profilesOrder),
	"profilePath":       unless("the profile of a system is /nix/var/nix/profiles/system", `"/nix/var/nix/profiles/system"`),
	"path":              kept("flake of the host names the system that it activates"),
}

var nixinateRules = map[string]Rule{
	"nixinate.host":               become("host", (*entry).targetHost),
	"nixinate.sshConfigHost":      become("host", (*entry).sshConfigHost),
	"nixinate.sshUser":            become("user", (*entry).targetUser),
	"nixinate.buildOn":            become("build_on", (*entry).buildOnSetting),
	"nixinate.substituteOnTarget": become("substitute", (*entry).substitutes),
	"nixinate.hermetic":           kept("muster brings along what it activates with"),
	"nixinate.nixOptions":         instead("settings of Nix are those of nix.conf where muster runs"),
	"nixinate.port":               become("port", (*entry).targetPort),
}

var lollypopsRules = map[string]Rule{
	"lollypops.deployment.ssh.host":         become("host", (*entry).targetHost),
	"lollypops.deployment.ssh.user":         become("user", (*entry).targetUser),
	"lollypops.deployment.ssh.opts":         become("ssh, port, user, jump", (*entry).sshOptions),
	"lollypops.deployment.ssh.command":      unless("muster has an SSH client of its own", `"ssh"`),
	"lollypops.deployment.ssh.login":        kept("it is made of the others"),
	"lollypops.deployment.ssh.run":          kept("it is made of the others"),
	"lollypops.deployment.sudo.enable":      become("privilege", (*entry).sudoEnabled),
	"lollypops.deployment.sudo.command":     become("privilege", (*entry).sudoCommand),
	"lollypops.deployment.sudo.opts":        unless("muster passes its own options to sudo", "[]", "{}"),
	"lollypops.deployment.group":            become("tags", (*entry).group),
	"lollypops.deployment.local-evaluation": kept("muster evaluates where it runs"),
	"lollypops.deployment.deploy-method":    kept("muster copies the system, and no flake"),
	"lollypops.deployment.config-dir":       kept("muster copies the system, and no flake"),
	"lollypops.secrets.files":               become("secrets", (*entry).lollypopsSecrets),
	"lollypops.secrets.default-cmd":         kept("it is in the commands of secrets"),
	"lollypops.secrets.cmd-name-prefix":     kept("it is in the commands of secrets"),
	"lollypops.secrets.default-dir":         kept("it is in the paths of secrets"),
	"lollypops.secrets.default-user":        kept("it is in the owners of secrets"),
	"lollypops.tasks":                       unless("muster has hooks of rollout for what runs around a deployment", "[]", `["deploy-flake","rebuild"]`, `["deploy-flake","deploy-secrets","rebuild"]`, `["rebuild"]`),
	"lollypops.extraTasks":                  unless("muster has hooks of rollout for what runs around a deployment", "[]", "{}"),
	"lollypops.sudo.enable":                 become("privilege", (*entry).sudoEnabled),
}

var clanRules = map[string]Rule{
	"clan.core.networking.targetHost":            become("host", (*entry).targetHost),
	"clan.core.networking.buildHost":             become("build_on", (*entry).buildsOn),
	"clan.core.deployment.requireExplicitUpdate": become("allow_all", (*entry).explicitUpdate),
	"clan.core.deployment.nixosMobileWorkaround": unless("muster activates in one way only", "false"),
	"clan.core.deployment.file":                  kept("it is made of the others"),
	"clan.core.deployment.data":                  kept("it is made of the others"),
	"clan.core.vars.generators":                  unless("clan vars upload brings them as before; secrets of the inventory can take their place", "[]", "{}"),
	"clan.core.vars.settings":                    kept("the modules read it as before"),
	"clan.deploy":                                become("host", (*entry).clanDeploy),
	"clan.tags":                                  become("tags", (*entry).setTags),
	"clan.description":                           become("meta.description", (*entry).description),
	"clan.icon":                                  kept("it is for clan's own views"),
	"clan.installedAt":                           kept("it is for clan's own views"),
	"clan.machineClass":                          unless("muster deploys NixOS", `"nixos"`),
}
