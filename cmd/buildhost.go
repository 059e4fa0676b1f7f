package cmd

import (
	"muster/exec"
	"muster/schema"
)

// buildHosts are the hosts that build the systems of others, each once.
func (s *session) buildHosts() (hosts []*schema.Host) {
	seen := map[string]bool{}
	for _, h := range s.systems {
		if name := h.BuildOn.Host(); name != "" && !seen[name] {
			seen[name] = true
			hosts = append(hosts, s.fleet.Host(name))
		}
	}
	return hosts
}

// addBuildHosts gives the steps of systems that other hosts build those hosts.
func (s *session) addBuildHosts(steps []exec.Step) {
	builders := map[string]*schema.Host{}
	for _, h := range s.buildHosts() {
		builders[h.Name] = h.Reachable()
	}
	for i, step := range steps {
		name := step.Host.BuildOn.Host()
		steps[i].BuildHost = builders[name]
		if err := s.unaddressed[name]; step.Err == nil && name != "" {
			steps[i].Err = err
		}
	}
}
