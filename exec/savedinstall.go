package exec

import (
	"slices"

	"muster/schema"
)

// A savedInstall says how a machine is reached before it is installed, and by what.
type savedInstall struct {
	HostKey   string    `json:"host_key,omitempty"`
	Disko     bool      `json:"disko,omitempty"`
	InPlace   bool      `json:"in_place,omitempty"`
	Keep      []string  `json:"keep,omitempty"`
	KexecPath string    `json:"kexec_path,omitempty"`
	KexecURL  string    `json:"kexec_url,omitempty"`
	KexecHash string    `json:"kexec_hash,omitempty"`
	Address   savedWord `json:"address,omitempty"`
	Port      int       `json:"port,omitempty" want:"0..65535"`
	User      savedWord `json:"user,omitempty"`
	HostKeys  []string  `json:"host_keys,omitempty"`
}

// A savedDisk is a disk that an installation makes partitions on, or a boot loader is
// installed on.
type savedDisk struct {
	Name       savedWord        `json:"name"`
	Device     savedWord        `json:"device"`
	Serial     savedWord        `json:"serial,omitempty"`
	Table      savedWord        `json:"table"`
	Boot       bool             `json:"boot,omitempty"`
	Partitions []savedPartition `json:"partitions,omitempty"`
}

type savedPartition struct {
	Name          savedWord   `json:"name"`
	Size          int64       `json:"size,omitempty" want:"0..10000000000000"`
	Type          savedWord   `json:"type"`
	FS            savedWord   `json:"fs,omitempty"`
	Label         savedWord   `json:"label,omitempty"`
	Mount         savedWord   `json:"mount,omitempty"`
	Options       []savedWord `json:"options,omitempty"`
	FormatOptions []string    `json:"format_options,omitempty"`
	Bootable      bool        `json:"bootable,omitempty"`
	Encrypt       savedWord   `json:"encrypt,omitempty"`
}

func saveInstall(i *schema.Install) *savedInstall {
	s := savedInstall{
		HostKey: i.HostKey, Disko: i.Disko, InPlace: i.InPlace, Keep: i.Keep, KexecPath: i.Kexec.Path, KexecURL: i.Kexec.URL, KexecHash: i.Kexec.Hash,
		Address: savedWord(i.Address), Port: i.Port, User: savedWord(i.User), HostKeys: i.HostKeys,
	}
	if s.HostKey == "" && !s.Disko && !s.InPlace && len(s.Keep) == 0 && s.KexecPath == "" && s.KexecURL == "" && s.Address == "" && s.Port == 0 && s.User == "" && len(s.HostKeys) == 0 {
		return nil
	}
	return &s
}

func (s *savedInstall) load() schema.Install {
	if s == nil {
		return schema.Install{}
	}
	return schema.Install{
		HostKey: s.HostKey, Disko: s.Disko, InPlace: s.InPlace, Keep: s.Keep, Kexec: schema.Kexec{Path: s.KexecPath, URL: s.KexecURL, Hash: s.KexecHash},
		Address: string(s.Address), Port: s.Port, User: string(s.User), HostKeys: s.HostKeys,
	}
}

func saveDisks(h *schema.Host) (saved []savedDisk) {
	made := madeDisks(h)
	for i := range h.Disks {
		d := &h.Disks[i]
		if !d.Boot && !slices.Contains(made, d) {
			continue
		}
		s := savedDisk{Name: savedWord(d.Name), Device: savedWord(d.Device), Serial: savedWord(d.Serial), Table: savedWord(d.Table), Boot: d.Boot}
		for _, p := range d.Partitions {
			s.Partitions = append(s.Partitions, savedPartition{
				Name: savedWord(p.Name), Size: p.Size, Type: savedWord(p.Type), FS: savedWord(p.FS), Label: savedWord(p.Label), Mount: savedWord(p.Mount),
				Options: words[savedWord](p.Options), FormatOptions: p.FormatOptions, Bootable: p.Bootable, Encrypt: savedWord(p.Encrypt),
			})
		}
		saved = append(saved, s)
	}
	return saved
}

func loadDisks(saved []savedDisk) (disks []schema.Disk) {
	for _, s := range saved {
		d := schema.Disk{Name: string(s.Name), Device: string(s.Device), Boot: s.Boot, Layout: schema.Layout{Serial: string(s.Serial), Table: string(s.Table)}}
		for _, p := range s.Partitions {
			d.Partitions = append(d.Partitions, schema.Partition{
				Name: string(p.Name), Size: p.Size, Type: string(p.Type), FS: string(p.FS), Label: string(p.Label), Mount: string(p.Mount),
				Options: words[string](p.Options), FormatOptions: p.FormatOptions, Bootable: p.Bootable, Encrypt: string(p.Encrypt),
			})
		}
		disks = append(disks, d)
	}
	return disks
}

// words are the same texts in another type.
func words[To, From ~string](list []From) (same []To) {
	for _, w := range list {
		same = append(same, To(w))
	}
	return same
}
