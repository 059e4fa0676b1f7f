package cmd

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/telemetry"
)

// tellFlags say which others are told of a run: Prometheus, OpenTelemetry, and an HTTP hook.
type tellFlags struct {
	noRules
	keep    keepRunsFlag // on the same verbs: those whose runs have a journal
	metrics string
	otlp    string
	hook    string
}

func (f *tellFlags) parts() []group { return []group{&f.keep} }

func (f *tellFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&f.metrics, "", flags.NewFile()), "metrics", "write how the run went to this `file`, for the textfile collector of Prometheus' node_exporter, which reads files called *.prom")
	fs.Var(flags.Of(&f.otlp, "", webURL), "otlp", "send the spans of the run to the OpenTelemetry collector at this `URL` (OTLP/HTTP); $OTEL_EXPORTER_OTLP_HEADERS and $TRACEPARENT go with them")
	fs.Var(flags.FromEnvironment(&f.hook, "MUSTER_HOOK", webURL), "hook", "post a JSON message to this `URL` when the run begins, when a host fails, and when it ends (default $MUSTER_HOOK)")
}

// webURL is the kind of the URL of a web server.
var webURL = flags.Kind[string]{
	Name:   "web URL",
	Want:   "a URL such as https://collector.example.com:4318",
	Secret: true,
	Parse: func(text string) (string, error) {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return "", flags.ErrRefused
		}
		return text, nil
	},
}

const (
	hookPatience = 10 * time.Second // after the run
	spanPatience = 30 * time.Second
)

// apply records the run, and tells of it when the session is closed. What cannot be told
// is a warning: the run is what it is.
func (f *tellFlags) apply(s *session, plan *exec.Plan, o *exec.Options) {
	s.keepRuns = f.keep.runs
	if f.metrics == "" && f.otlp == "" && f.hook == "" {
		return
	}
	plan.Run = cmp.Or(plan.Run, exec.NewRunID())
	run := telemetry.Run{ID: plan.Run, Action: plan.Action, Fleet: fleetName(s, plan), Who: operator(), Version: version()}
	for _, step := range plan.Steps {
		run.Hosts = append(run.Hosts, step.Host.Name)
	}
	record := telemetry.NewRecord(run, time.Now)
	o.Sink = record.Sink(o.Sink)
	var hook *telemetry.Hook
	if f.hook != "" {
		hook = telemetry.NewHook(record, f.hook)
		o.Sink = hook.Sink(o.Sink)
	}
	s.opened = append(s.opened, func() { f.tell(s, record, hook) })
}

// fleetName is what others know a fleet by.
func fleetName(s *session, plan *exec.Plan) string {
	if s.fleet != nil {
		return s.fleet.Network.Description
	}
	return filepath.Base(plan.Dir)
}

// tell tells of a run that is over.
func (f *tellFlags) tell(s *session, record *telemetry.Record, hook *telemetry.Hook) {
	record.End()
	if f.metrics != "" {
		if err := writeFile(f.metrics, record.Metrics()); err != nil {
			fmt.Fprintf(s.std.err, "warning: --metrics: %v\n", err)
		}
	}
	if f.otlp != "" {
		ctx, cancel := context.WithTimeout(context.Background(), spanPatience)
		defer cancel()
		if err := record.SendSpans(ctx, f.otlp, os.Getenv("TRACEPARENT"), os.Getenv("OTEL_EXPORTER_OTLP_HEADERS")); err != nil {
			fmt.Fprintf(s.std.err, "warning: --otlp: %v\n", err)
		}
	}
	if hook != nil {
		if err := hook.End(hookPatience); err != nil {
			fmt.Fprintf(s.std.err, "warning: --hook: %v\n", err)
		}
	}
}
