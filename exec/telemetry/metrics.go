package telemetry

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/exec"
)

// A family is one metric with its samples.
type family struct {
	name, kind, help string
	samples          []sample
}

type sample struct {
	suffix string
	labels []label
	value  float64
}

type label struct{ name, value string }

// Metrics is the run as text in Prometheus' exposition format, for the textfile collector
// of node_exporter. It says how the last run went: a run is over when it is written.
func (r *Record) Metrics() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b bytes.Buffer
	for _, f := range slices.Concat(r.runFamilies(), r.stageFamilies(), r.hostFamilies()) {
		f.write(&b)
	}
	return b.Bytes()
}

func (r *Record) runFamilies() []family {
	action := label{"action", string(r.Action)}
	one := func(name, help string, value float64, labels ...label) family {
		return family{name, "gauge", help, []sample{{labels: labels, value: value}}}
	}
	hosts := family{name: "muster_last_run_hosts", kind: "gauge", help: "Hosts of the last run by how they ended."}
	counts := r.counts()
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		hosts.samples = append(hosts.samples, sample{labels: []label{action, {"status", word(string(status))}}, value: float64(counts[status])})
	}
	success := 1.0
	if slices.ContainsFunc(r.hosts, (*hostRecord).failed) {
		success = 0
	}
	return []family{
		one("muster_last_run_info", "The last run.", 1, action, label{"fleet", r.Fleet}, label{"run", r.ID}, label{"version", r.Version}, label{"who", r.Who}),
		one("muster_last_run_start_timestamp_seconds", "When the last run began, in seconds since the epoch.", seconds(r.began), action),
		one("muster_last_run_end_timestamp_seconds", "When the last run ended, in seconds since the epoch.", seconds(r.ended), action),
		one("muster_last_run_duration_seconds", "How long the last run took.", r.ended.Sub(r.began).Seconds(), action),
		one("muster_last_run_success", "Whether no host of the last run failed or was rolled back.", success, action),
		hosts,
	}
}

// stageFamilies say how long the stages took, for all hosts together: a series a host and
// stage would be too many for a large fleet.
func (r *Record) stageFamilies() []family {
	type total struct {
		sum    time.Duration
		count  int
		failed int
	}
	totals := map[exec.Stage]*total{}
	for _, h := range r.hosts {
		for _, s := range h.stages {
			t := totals[s.stage]
			if t == nil {
				t = new(total)
				totals[s.stage] = t
			}
			t.sum += s.ended.Sub(s.began)
			t.count++
			if s.err != "" {
				t.failed++
			}
		}
	}
	took := family{name: "muster_last_run_stage_duration_seconds", kind: "summary", help: "How long hosts took for a stage of the last run."}
	failed := family{name: "muster_last_run_stage_failed_hosts", kind: "gauge", help: "Hosts that failed in a stage of the last run."}
	for _, stage := range slices.Sorted(maps.Keys(totals)) {
		t, labels := totals[stage], []label{{"stage", word(string(stage))}}
		took.samples = append(took.samples, sample{"_sum", labels, t.sum.Seconds()}, sample{"_count", labels, float64(t.count)})
		failed.samples = append(failed.samples, sample{labels: labels, value: float64(t.failed)})
	}
	if len(took.samples) == 0 {
		return nil
	}
	return []family{took, failed}
}

func (r *Record) hostFamilies() []family {
	status := family{name: "muster_host_last_run_status", kind: "gauge", help: "How a host ended in the last run: 1 for its status."}
	took := family{name: "muster_host_last_run_duration_seconds", kind: "gauge", help: "How long the last run worked on a host."}
	sent := family{name: "muster_host_last_run_sent_bytes", kind: "gauge", help: "Bytes of archives sent to a host by the last run."}
	reboot := family{name: "muster_host_needs_reboot", kind: "gauge", help: "Whether a host needed a restart at the end of the last run."}
	for _, h := range r.hosts {
		name := label{"host", h.name}
		status.samples = append(status.samples, sample{labels: []label{name, {"status", word(string(h.status()))}}, value: 1})
		if h.outcome == nil {
			continue
		}
		needs := 0.0
		if len(h.outcome.NeedsReboot) > 0 && !h.outcome.Rebooted {
			needs = 1
		}
		took.samples = append(took.samples, sample{labels: []label{name}, value: h.outcome.Took.Seconds()})
		sent.samples = append(sent.samples, sample{labels: []label{name}, value: float64(h.outcome.Bytes)})
		reboot.samples = append(reboot.samples, sample{labels: []label{name}, value: needs})
	}
	if len(took.samples) == 0 {
		return []family{status}
	}
	return []family{status, took, sent, reboot}
}

// word is a status or stage as a value of a label: rolled_back.
func word(s string) string { return strings.ReplaceAll(s, " ", "_") }

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func (f *family) write(b *bytes.Buffer) {
	if len(f.samples) == 0 {
		return
	}
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", f.name, helpEscapes.Replace(f.help), f.name, f.kind)
	for _, s := range f.samples {
		b.WriteString(f.name + s.suffix)
		for i, l := range s.labels {
			b.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + l.name + `="` + labelEscapes.Replace(strings.ToValidUTF8(l.value, "�")) + `"`)
		}
		if len(s.labels) > 0 {
			b.WriteByte('}')
		}
		b.WriteString(" " + strconv.FormatFloat(s.value, 'f', -1, 64) + "\n")
	}
}
