// Package tofu writes the machines of a fleet as configuration of OpenTofu and Terraform, in JSON:
//
//	muster.tf.json    the providers and the backend
//	machines.tf.json  the machines
//	outputs.tf.json   where they are, which muster provision reads back
//
// The files stand in a folder of their own, so that what the hosts do (the inventory and its Nix) and what they run on stay
// apart. Texts of arguments, settings of providers and outputs are expressions of the program, as the user wrote them; all other
// texts mean themselves. Nothing in them is secret.
//
//	files, err := tofu.Files(fleet)
package tofu

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"muster/exec/ondemand"
	"muster/schema"
)

// A File is one file of the configuration.
type File struct {
	Name string
	Text []byte
}

// OutputPrefix is how the outputs with machines begin.
const OutputPrefix = "muster_"

// Output is the name of the output that has the machine of a host. Each host has one, so that the failure of one machine leaves
// the others known.
func Output(h *schema.Host) string { return OutputPrefix + Label(h) }

// Label is the name of a host's resources in the configuration.
func Label(h *schema.Host) string { return schema.TofuLabel(h.MadeName()) }

// Files are the files of the configuration of a fleet.
func Files(fleet *schema.Fleet) []File {
	c := &configuration{fleet: fleet, resources: map[string]object{}, providers: map[string]bool{}, aliases: map[string]bool{}, outputs: object{}}
	for _, h := range fleet.Hosts {
		if h.Provision != nil {
			c.machine(h)
		}
	}
	return []File{
		{"muster.tf.json", text(c.settings())},
		{"machines.tf.json", text(object{"resource": c.resources})},
		{"outputs.tf.json", text(object{"output": c.outputs})},
	}
}

// Address is the address of a host's machine in the state of the program, such as
// hcloud_server.web1.
func Address(h *schema.Host) string {
	return resourceOf(h.Provision) + "." + Label(h)
}

// IsMachine reports whether resources of a type are machines of a cloud that is known.
func IsMachine(kind string) bool {
	for _, target := range []schema.ProvisionTarget{schema.Hetzner, schema.AWS, schema.GCP, schema.Azure, schema.DigitalOcean, schema.Libvirt} {
		if resourceOf(&schema.ProvisionedMachine{Target: target}) == kind {
			return true
		}
	}
	return false
}

// LabelOf is the name of a resource in its address.
func LabelOf(address string) string { return address[strings.LastIndexByte(address, '.')+1:] }

// GoesWith reports whether a resource is one that muster makes for machines, and so goes with those of some names: the SSH keys of
// users, which hold nothing, and the disks and interfaces of these machines.
func GoesWith(address string, labels []string) bool {
	kind, label, _ := strings.Cut(address, ".")
	switch kind {
	case "hcloud_ssh_key", "digitalocean_ssh_key":
		return strings.HasPrefix(label, keyPrefix)
	case "aws_key_pair", "azurerm_public_ip", "azurerm_network_interface", "libvirt_volume", "libvirt_cloudinit_disk":
		return slices.Contains(labels, strings.TrimSuffix(label, "-image"))
	}
	return false
}

// An object is an object of JSON.
type object = map[string]any

// text is a value as JSON, with sorted names.
func text(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err) // it has only texts, numbers and what is made of them
	}
	return b.Bytes()
}

// A configuration gathers what the machines need.
type configuration struct {
	fleet     *schema.Fleet
	resources map[string]object // by type, then by name
	providers map[string]bool
	aliases   map[string]bool // regions of aws
	outputs   object
}

// sources are the providers of the targets. That of libvirt has other resources since 0.9.
var sources = map[string]struct{ source, version string }{
	"hcloud":       {source: "hetznercloud/hcloud"},
	"aws":          {source: "hashicorp/aws"},
	"google":       {source: "hashicorp/google"},
	"azurerm":      {source: "hashicorp/azurerm"},
	"digitalocean": {source: "digitalocean/digitalocean"},
	"libvirt":      {source: "dmacvicar/libvirt", version: "~> 0.8.0"},
}

// settings are the providers and the backend.
func (c *configuration) settings() object {
	required, settings := object{}, object{}
	for name := range c.providers {
		if known := sources[name]; known.source != "" {
			o := object{"source": known.source}
			if known.version != "" {
				o["version"] = known.version
			}
			required[name] = o
		}
	}
	if c.providers["azurerm"] {
		settings["azurerm"] = object{"features": object{}}
	}
	for _, p := range c.fleet.Provision.Providers {
		o, _ := required[p.Name].(object)
		if o == nil {
			o = object{}
		}
		if p.Source != "" {
			o["source"] = p.Source
		}
		if p.Version != "" {
			o["version"] = p.Version
		}
		if len(o) > 0 {
			required[p.Name] = o
		}
		if p.Config != nil {
			merged, _ := settings[p.Name].(object)
			settings[p.Name] = over(merged, p.Config)
		}
	}
	c.addRegions(settings)
	terraform := object{}
	if len(required) > 0 {
		terraform["required_providers"] = required
	}
	if p := c.fleet.Provision; p.Backend != "" {
		terraform["backend"] = object{p.Backend: over(nil, p.BackendConfig)}
	}
	all := object{"terraform": terraform}
	if len(settings) > 0 {
		all["provider"] = settings
	}
	return all
}

// addRegions gives aws one configuration for each region: a resource is in the region of
// its provider.
func (c *configuration) addRegions(settings object) {
	if len(c.aliases) == 0 {
		return
	}
	common, _ := settings["aws"].(object)
	list := []any{}
	if common != nil {
		list = append(list, common)
	}
	for _, region := range sortedKeys(c.aliases) {
		one := object{}
		for name, value := range common {
			one[name] = value
		}
		one["alias"], one["region"] = region, region
		list = append(list, one)
	}
	settings["aws"] = list
}

// zone matches an availability zone of aws: a region and a letter, or a local zone.
var zone = ondemand.Regexp(`^([a-z]{2}(?:-[a-z]+)+-[0-9]+)(-[a-z]+-[0-9]+)?[a-z]$`)

// splitZone returns the region of a place of aws, and the zone where it names one.
func splitZone(place string) (region, within string) {
	if m := zone().FindStringSubmatch(place); m != nil {
		return m[1], place
	}
	return place, ""
}

// resourceOf is the type of a machine's resource.
func resourceOf(m *schema.ProvisionedMachine) string {
	switch m.Target {
	case schema.Hetzner:
		return "hcloud_server"
	case schema.AWS:
		return "aws_instance"
	case schema.GCP:
		return "google_compute_instance"
	case schema.Azure:
		return "azurerm_linux_virtual_machine"
	case schema.DigitalOcean:
		return "digitalocean_droplet"
	case schema.Libvirt:
		return "libvirt_domain"
	}
	return m.Resource
}

// add adds a resource.
func (c *configuration) add(kind, label string, arguments object) {
	if c.resources[kind] == nil {
		c.resources[kind] = object{}
	}
	c.resources[kind][label] = arguments
	provider, _, _ := strings.Cut(kind, "_")
	c.providers[provider] = true
}

// machine adds the resources and the output of one machine.
func (c *configuration) machine(h *schema.Host) {
	m, label := h.Provision, Label(h)
	var arguments object
	out := schema.ProvisionedOutputs{ID: "id"}
	first := func(expressions ...string) string { return firstOf(Address(h), expressions) }
	var disks any
	switch m.Target {
	case schema.Hetzner:
		arguments, out.Address = c.hetzner(h), first("@.ipv4_address", "@.ipv6_address", "tolist(@.network)[0].ip")
	case schema.AWS:
		arguments, out.Address = c.aws(h, label), first("@.public_ip", "@.ipv6_addresses[0]", "@.private_ip")
		disks = object{"root": fmt.Sprintf(`/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${replace(%s.root_block_device[0].volume_id, "-", "")}`, Address(h))}
	case schema.GCP:
		// The id of a machine of gcp and azure is its name: a machine that takes its place has the same.
		out.ID = "instance_id"
		arguments, out.Address = c.gcp(h), first("@.network_interface[0].access_config[0].nat_ip", "@.network_interface[0].ipv6_access_config[0].external_ipv6", "@.network_interface[0].network_ip")
	case schema.Azure:
		out.ID = "virtual_machine_id"
		arguments, out.Address = c.azure(h, label), first("@.public_ip_address", "@.private_ip_address")
	case schema.DigitalOcean:
		arguments, out.Address = c.digitalOcean(h), first("@.ipv4_address", "@.ipv6_address", "@.ipv4_address_private")
	case schema.Libvirt:
		arguments, out.Address = c.libvirt(h, label), first("@.network_interface[0].addresses[0]")
	default:
		arguments, out = object{}, m.Outputs
		if out.ID == "" {
			out.ID = "id"
		}
		if !strings.Contains(out.Address, "${") {
			out.Address = first("@." + out.Address)
		}
	}
	if first := onlyAtFirst[m.Target]; first != nil {
		arguments["lifecycle"] = object{"ignore_changes": first}
	}
	c.add(resourceOf(m), label, over(arguments, m.Arguments))
	read := func(attribute string) string {
		if strings.Contains(attribute, "${") {
			return attribute
		}
		return "${" + Address(h) + "." + attribute + "}"
	}
	output := object{"host": literal(h.Name), "address": read(out.Address), "id": read(out.ID), "target": string(m.Target)}
	if out.HostKeys != "" {
		output["host_keys"] = read(out.HostKeys)
	}
	if out.Disks != "" {
		disks = read(out.Disks)
	}
	if disks != nil {
		output["disks"] = disks
	}
	c.outputs[Output(h)] = object{"description": "The machine of the host " + literal(h.Name) + ".", "value": output}
}

// onlyAtFirst are arguments that matter when a machine is made. Providers make it anew when they change, or turn it off and on, and
// so a colleague's new SSH key would cost all machines.
var onlyAtFirst = map[schema.ProvisionTarget][]string{
	schema.Hetzner:      {"ssh_keys", "user_data"},
	schema.AWS:          {"key_name", "user_data"},
	schema.Azure:        {"admin_ssh_key", "custom_data"},
	schema.DigitalOcean: {"ssh_keys", "user_data"},
	schema.Libvirt:      {"cloudinit"},
}

// firstOf is the first of some expressions that is not empty; "@" in them is the address of a machine. A machine may have no IPv4
// address, no public one, or none yet.
func firstOf(address string, expressions []string) string {
	tries := make([]string, len(expressions))
	for i, e := range expressions {
		tries[i] = "try(" + strings.ReplaceAll(e, "@", address) + ", null)"
	}
	if len(tries) == 1 {
		return "${" + tries[0] + "}"
	}
	return "${try(coalesce(" + strings.Join(tries, ", ") + "), null)}"
}

// literal is a text that means itself where the program reads expressions.
func literal(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s)
}

// set sets a text that is not empty.
func set(o object, name, value string) {
	if value != "" {
		o[name] = literal(value)
	}
}

func (c *configuration) hetzner(h *schema.Host) object {
	m := h.Provision
	o := object{"name": literal(h.MadeName()), "server_type": literal(m.Size), "image": literal(m.Image), "location": literal(m.Region)}
	if keys := c.keys("hcloud_ssh_key", h, "id"); len(keys) > 0 {
		o["ssh_keys"] = keys
	}
	set(o, "user_data", m.UserData)
	return o
}

// keyPrefix is how the names of SSH keys begin that hosts share.
const keyPrefix = "muster-"

// keys adds a resource for each SSH key of a host, unless its arguments name keys, and
// returns the attribute of each by which a machine names it. Hosts share a key's resource:
// these clouds refuse a key that they have already.
func (c *configuration) keys(kind string, h *schema.Host, attribute string) []any {
	if h.Provision.Arguments.Has("ssh_keys") {
		return nil
	}
	var names []any
	for _, key := range h.Provision.SSHKeys {
		sum := sha256.Sum256([]byte(key))
		name := fmt.Sprintf("%s%x", keyPrefix, sum[:4])
		c.add(kind, name, object{"name": name, "public_key": literal(key)})
		names = append(names, fmt.Sprintf("${%s.%s.%s}", kind, name, attribute))
	}
	return names
}

func (c *configuration) aws(h *schema.Host, label string) object {
	m := h.Provision
	region, within := splitZone(m.Region)
	c.aliases[region] = true
	provider := "aws." + region
	o := object{"provider": provider, "ami": literal(m.Image), "instance_type": literal(m.Size), "tags": object{"Name": literal(h.MadeName())}}
	set(o, "availability_zone", within)
	if m.Network != "" {
		o["subnet_id"] = networkID(m.Network)
	}
	if m.Disk > 0 {
		o["root_block_device"] = object{"volume_size": m.Disk}
	}
	// A machine of aws has one key: the others come with cloud-init.
	data := m.UserData
	if len(m.SSHKeys) > 0 {
		c.add("aws_key_pair", label, object{"provider": provider, "key_name": literal(h.MadeName()), "public_key": literal(m.SSHKeys[0])})
		o["key_name"] = "${aws_key_pair." + label + ".key_name}"
		if len(m.SSHKeys) > 1 && data == "" {
			data = cloudConfig(m.SSHKeys)
		}
	}
	set(o, "user_data", data)
	return o
}

// cloudConfig is the text for cloud-init that lets the owners of keys log in.
func cloudConfig(keys []string) string {
	list, err := json.Marshal(keys)
	if err != nil {
		panic(err) // texts always encode
	}
	return fmt.Sprintf("#cloud-config\nssh_authorized_keys: %s\n", list)
}

func (c *configuration) gcp(h *schema.Host) object {
	m := h.Provision
	image := object{"image": literal(m.Image)}
	if m.Disk > 0 {
		image["size"] = m.Disk
	}
	// A network whose subnets are not made by gcp itself needs the one that the machine is in.
	kind := "network"
	if strings.Contains(m.Network, "subnetworks/") || strings.HasPrefix(m.Network, "${google_compute_subnetwork.") {
		kind = "subnetwork"
	}
	o := object{
		"name": literal(h.MadeName()), "machine_type": literal(m.Size), "zone": literal(m.Region),
		"boot_disk": object{"initialize_params": image},
		// An empty access_config asks for a public address.
		"network_interface": object{kind: networkID(cmp.Or(m.Network, "default")), "access_config": object{}},
		// Without it, a change of the size is an error. The machine is locked while it is turned off.
		"allow_stopping_for_update": true,
	}
	metadata := object{}
	var keys []string
	for _, key := range m.SSHKeys {
		keys = append(keys, user(h)+":"+key)
	}
	set(metadata, "ssh-keys", strings.Join(keys, "\n"))
	set(metadata, "user-data", m.UserData)
	if len(metadata) > 0 {
		o["metadata"] = metadata
	}
	return o
}

// user is who logs in on a new machine.
func user(h *schema.Host) string { return cmp.Or(h.Install.User, h.User, "root") }

func (c *configuration) azure(h *schema.Host, label string) object {
	m := h.Provision
	place := func(o object) object {
		o["name"], o["resource_group_name"], o["location"] = literal(h.MadeName()), literal(m.Group), literal(m.Region)
		return o
	}
	c.add("azurerm_public_ip", label, place(object{"allocation_method": "Static", "sku": "Standard"}))
	c.add("azurerm_network_interface", label, place(object{"ip_configuration": object{
		"name": "first", "subnet_id": networkID(m.Network), "private_ip_address_allocation": "Dynamic",
		"public_ip_address_id": "${azurerm_public_ip." + label + ".id}",
	}}))
	admin := user(h)
	if admin == "root" { // which azure refuses
		admin = "muster"
	}
	disk := object{"caching": "ReadWrite", "storage_account_type": "Standard_LRS"}
	if m.Disk > 0 {
		disk["disk_size_gb"] = m.Disk
	}
	o := place(object{
		"size": literal(m.Size), "admin_username": literal(admin), "os_disk": disk,
		"network_interface_ids": []any{"${azurerm_network_interface." + label + ".id}"},
	})
	var keys []any
	for _, key := range m.SSHKeys {
		keys = append(keys, object{"username": literal(admin), "public_key": literal(key)})
	}
	if len(keys) > 0 {
		o["admin_ssh_key"] = keys
	}
	if parts := strings.Split(m.Image, ":"); len(parts) == 4 { // PUBLISHER:OFFER:SKU:VERSION
		o["source_image_reference"] = object{"publisher": literal(parts[0]), "offer": literal(parts[1]), "sku": literal(parts[2]), "version": literal(parts[3])}
	} else {
		o["source_image_id"] = literal(m.Image)
	}
	if m.UserData != "" {
		o["custom_data"] = base64.StdEncoding.EncodeToString([]byte(m.UserData))
	}
	return o
}

// networkID is the id or the name of a network, or an expression with that of one of the user's own.
func networkID(network string) string {
	if strings.HasPrefix(network, "${") {
		return network
	}
	return literal(network)
}

func (c *configuration) digitalOcean(h *schema.Host) object {
	m := h.Provision
	o := object{"name": literal(h.MadeName()), "size": literal(m.Size), "image": literal(m.Image), "region": literal(m.Region)}
	if keys := c.keys("digitalocean_ssh_key", h, "fingerprint"); len(keys) > 0 {
		o["ssh_keys"] = keys
	}
	if m.Network != "" {
		o["vpc_uuid"] = networkID(m.Network)
	}
	set(o, "user_data", m.UserData)
	return o
}

func (c *configuration) libvirt(h *schema.Host, label string) object {
	m := h.Provision
	cpus, memory, _ := schema.ParseLibvirtSize(m.Size)
	pool, network := m.Group, m.Network
	if pool == "" {
		pool = "default"
	}
	if network == "" {
		network = "default"
	}
	// The image is read once for each machine; a disk of another size stands on top of it.
	image := object{"name": literal(h.MadeName() + "-image.qcow2"), "pool": literal(pool), "source": literal(m.Image), "format": "qcow2"}
	c.add("libvirt_volume", label+"-image", image)
	volume := object{"name": literal(h.MadeName() + ".qcow2"), "pool": literal(pool), "base_volume_id": "${libvirt_volume." + label + "-image.id}"}
	if m.Disk > 0 {
		volume["size"] = m.Disk * 1_000_000_000
	}
	c.add("libvirt_volume", label, volume)
	o := object{
		"name": literal(h.MadeName()), "vcpu": cpus, "memory": memory,
		"disk":              object{"volume_id": "${libvirt_volume." + label + ".id}"},
		"network_interface": object{"network_name": networkID(network), "hostname": literal(h.MadeName()), "wait_for_lease": true},
		"console":           object{"type": "pty", "target_type": "serial", "target_port": "0"},
	}
	data := m.UserData
	if data == "" && len(m.SSHKeys) > 0 {
		data = cloudConfig(m.SSHKeys) + "disable_root: false\n"
	}
	if data != "" {
		c.add("libvirt_cloudinit_disk", label, object{"name": literal(h.MadeName() + "-cloudinit.iso"), "pool": literal(pool), "user_data": literal(data)})
		o["cloudinit"] = "${libvirt_cloudinit_disk." + label + ".id}"
	}
	return o
}
