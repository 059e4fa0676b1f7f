package nixcmd

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
)

// What Nix 2.8, 2.26 and 2.34 say of builds, as they have said it.
func TestJudge(t *testing.T) {
	const drv = store.Path("/nix/store/00000000000000000000000000000001-a.drv")
	tests := []struct {
		name, msg string
		want      verdict
	}{
		{"a build on a builder", "\x1b[31;1merror:\x1b[0m build of '\x1b[35;1m" + string(drv) + "\x1b[0m' on '\x1b[35;1mssh://b1\x1b[0m' failed: builder for '" + string(drv) + "' failed with exit code 3",
			verdict{kind: remoteFailed, drv: drv, on: "ssh://b1", why: "builder for '" + string(drv) + "' failed with exit code 3"}},
		{"a build on a builder with 2.34", "error: build of '" + string(drv) + "' on 'ssh://b1' failed: error: Cannot build '" + string(drv) + "'.\n       Reason: builder failed with exit code 3.\n       Output paths:\n         /nix/store/00000000000000000000000000000002-a",
			verdict{kind: remoteFailed, drv: drv, on: "ssh://b1", why: "builder failed with exit code 3.\n       Output paths:\n         /nix/store/00000000000000000000000000000002-a"}},
		{"a build, 2.8 and 2.26", "error: builder for '" + string(drv) + "' failed with exit code 3;\n       last 1 log lines:\n       > oh no",
			verdict{kind: buildFailed, drv: drv, why: "failed with exit code 3"}},
		{"a build, 2.34", "error: Cannot build '" + string(drv) + "'.\n       Reason: builder failed with exit code 3.\n       Output paths:\n         /nix/store/00000000000000000000000000000002-a",
			verdict{kind: buildFailed, drv: drv, why: "failed with exit code 3"}},
		{"a dependency, 2.8", "error: 1 dependencies of derivation '" + string(drv) + "' failed to build", verdict{kind: consequence}},
		{"a dependency, 2.34", "error: Cannot build '" + string(drv) + "'.\n       Reason: 1 dependency failed.\n       Output paths:", verdict{kind: consequence}},
		{"all of them", "error: build of '" + string(drv) + "', '" + string(drv) + "' failed", verdict{kind: consequence}},
		{"no connection, 2.8", "cannot build on 'ssh://b2': error: cannot connect to 'b2': ssh: connect to host 192.0.2.3 port 22: Connection refused",
			verdict{kind: unreachable, on: "ssh://b2", why: "cannot connect to 'b2': ssh: connect to host 192.0.2.3 port 22: Connection refused"}},
		{"no machine with the feature", "Failed to find a machine for remote build!\nderivation: " + drv.Base() + "\nrequired (system, features): (x86_64-linux, [kvmx])\n2 available machines:",
			verdict{kind: nobody, drv: drv, needs: machineKind{[]string{"x86_64-linux"}, []string{"kvmx"}}}},
		{"nothing starts, 2.26", "error:\n                           Unable to start any build;\n                           remote machines may not have all required system features.", verdict{kind: nothingStarts}},
		{"another kind of machine, 2.8 and 2.26", "error: a 'aarch64-linux' with features {kvmx} is required to build '" + string(drv) + "', but I am a 'x86_64-linux' with features {benchmark, kvm}",
			verdict{kind: unbuildable, drv: drv, needs: machineKind{[]string{"aarch64-linux"}, []string{"kvmx"}}, has: machineKind{[]string{"x86_64-linux"}, []string{"benchmark", "kvm"}}}},
		{"another kind of machine, 2.34", "error: Cannot build '" + string(drv) + "'.\n       Reason: platform mismatch\n       Required system: 'aarch64-linux'\n       Current system: 'x86_64-linux'\n       Reason: missing system features\n       Required features: {kvmx}\n       Available features: {benchmark, kvm}",
			verdict{kind: unbuildable, drv: drv, needs: machineKind{[]string{"aarch64-linux"}, []string{"kvmx"}}, has: machineKind{[]string{"x86_64-linux"}, []string{"benchmark", "kvm"}}}},
		{"another kind of builder", "error: build of '" + string(drv) + "' on 'ssh://b2' failed: error: a 'x86_64-linux' with features {kvmx} is required to build '" + string(drv) + "', but I am a 'x86_64-linux' with features {}",
			verdict{kind: remoteFailed, drv: drv, on: "ssh://b2", why: "a 'x86_64-linux' with features {kvmx} is required to build '" + string(drv) + "', but I am a 'x86_64-linux' with features {}",
				needs: machineKind{[]string{"x86_64-linux"}, []string{"kvmx"}}, has: machineKind{systems: []string{"x86_64-linux"}}}},
		{"another kind of builder, with 2.34", "error: build of '" + string(drv) + "' on 'ssh://b2' failed: error: Cannot build '" + string(drv) + "'.\n       Reason: missing system features\n       Required features: {kvmx}\n       Available features: {}",
			verdict{kind: remoteFailed, drv: drv, on: "ssh://b2", why: "missing system features\n       Required features: {kvmx}\n       Available features: {}",
				needs: machineKind{features: []string{"kvmx"}}}},
		// Lix 2.95 says what Nix 2.18 says, but for these.
		{"nothing starts, Lix", "error: unable to start any build; remote machines may not have all required system features.\nhttps://docs.lix.systems/manual/lix/stable/advanced-topics/distributed-builds.html", verdict{kind: nothingStarts}},
		{"another kind of machine, Lix", "error: a 'aarch64-linux' with features {} is required to build '" + string(drv) + "', but I am a 'x86_64-linux' with features {kvm}\n\nHint: the failing derivation has allowSubstitutes set to false, forcing it to be built rather than substituted.",
			verdict{kind: unbuildable, drv: drv, needs: machineKind{systems: []string{"aarch64-linux"}}, has: machineKind{[]string{"x86_64-linux"}, []string{"kvm"}}}},
		{"a build, Lix", "error: builder for '" + string(drv) + "' failed with exit code 3;\nlast 1 log lines:\n> oh no\nFor full logs, run:\n\tnix-store -l " + string(drv),
			verdict{kind: buildFailed, drv: drv, why: "failed with exit code 3"}},
		{"nothing about builds", "warning: ignoring the client-specified setting 'builders'", verdict{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := judge(tt.msg)
			if ok != (tt.want.kind != 0) {
				t.Errorf("judged: %v", ok)
			}
			empty := cmp.Transformer("empty", func(s []string) []string { return append([]string{}, s...) })
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(verdict{}, machineKind{}), empty); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
