package exec

import (
	"cmp"
	"time"

	"muster/schema"
)

// activateTimeout, confirmTimeout and rebootTimeout are the limits of the host, or those of
// the run.
func (j *job) activateTimeout() time.Duration {
	return cmp.Or(j.step.Host.Care.Timeouts.Activate, j.run.opts.ActivateTimeout)
}

func (j *job) confirmTimeout() time.Duration {
	return cmp.Or(j.step.Host.Care.Timeouts.Confirm, j.run.opts.ConfirmTimeout)
}

func (j *job) rebootTimeout() time.Duration {
	return cmp.Or(j.step.Host.Care.Timeouts.Reboot, j.run.opts.RebootTimeout)
}

// unguarded reports whether the host keeps a new system without being reached over a new
// connection.
func (j *job) unguarded() bool { return j.step.Host.Care.GuardOff != "" }

// careless are the findings about what is switched off for a host, with the reasons.
func careless(h *schema.Host) (texts []Finding) {
	for _, off := range []struct{ check, what, why string }{
		{"guard", "the guard is off", h.Care.GuardOff},
		{"rollback", "rollback is off", h.Care.RollbackOff},
		{"hostkey", "a host key that is not known is accepted", h.SSH.AcceptNew},
	} {
		if off.why != "" {
			texts = append(texts, Finding{Check: off.check, Text: off.what + ": " + off.why})
		}
	}
	return texts
}

// A savedCare says what a deployment takes care of.
type savedCare struct {
	Activate      time.Duration `json:"activate_timeout_ns,omitempty"`
	Confirm       time.Duration `json:"confirm_timeout_ns,omitempty"`
	Reboot        time.Duration `json:"reboot_timeout_ns,omitempty"`
	GuardOff      string        `json:"guard_off,omitempty"`
	RollbackOff   string        `json:"rollback_off,omitempty"`
	KeepForeign   bool          `json:"keep_foreign,omitempty"`
	OnlyChosen    bool          `json:"only_chosen,omitempty"`
	NeverDeployed bool          `json:"never_deployed,omitempty"`
}

func saveCare(c *schema.Care) *savedCare {
	if *c == (schema.Care{}) {
		return nil
	}
	return &savedCare{
		Activate: c.Timeouts.Activate, Confirm: c.Timeouts.Confirm, Reboot: c.Timeouts.Reboot, GuardOff: c.GuardOff,
		RollbackOff: c.RollbackOff, KeepForeign: c.KeepForeign, OnlyChosen: c.OnlyChosen, NeverDeployed: c.NeverDeployed,
	}
}

func (s *savedCare) load() schema.Care {
	if s == nil {
		return schema.Care{}
	}
	return schema.Care{
		Timeouts: schema.Timeouts{Activate: s.Activate, Confirm: s.Confirm, Reboot: s.Reboot}, GuardOff: s.GuardOff,
		RollbackOff: s.RollbackOff, KeepForeign: s.KeepForeign, OnlyChosen: s.OnlyChosen, NeverDeployed: s.NeverDeployed,
	}
}
