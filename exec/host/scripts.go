package host

import (
	"embed"
	"sync"
)

//go:embed scripts/*.sh
var scripts embed.FS

// A script is a shell script by the name of its file, without the extension. It
// is $0 where it runs, so that a process list names it.
type script string

const (
	applySecretsScript  script = "applysecrets"
	armScript           script = "arm"
	bootIDScript        script = "bootid"
	collectScript       script = "collect"
	compareScript       script = "compare"
	confirmScript       script = "confirm"
	dryScript           script = "dry"
	followScript        script = "follow"
	generationsScript   script = "generations"
	inspectScript       script = "inspect"
	lastBootScript      script = "lastboot"
	lockScript          script = "lock"
	rebootScript        script = "reboot"
	recoverScript       script = "recover"
	restartedScript     script = "restarted"
	secretsScript       script = "secrets"
	settleSecretsScript script = "settlesecrets"
	tellScript          script = "tell"
	textsScript         script = "texts"
	unitScript          script = "unit"
	unlockScript        script = "unlock"
	verifyScript        script = "verify"
)

// What scripts have in common, and the guard, read when the first is needed.
var (
	preamble = sync.OnceValue(func() string { return read("preamble") })
	watch    = sync.OnceValue(func() string { return read("watch") })
	words    = sync.OnceValue(func() string { return read("words") })
	guard    = sync.OnceValue(func() string { return preamble() + read("guard") })
)

// read is the text of a script file. Comments are for readers of this repository
// and are not sent.
func read(name string) string {
	text, err := scripts.ReadFile("scripts/" + name + ".sh")
	if err != nil {
		panic(err)
	}
	return withoutComments(string(text))
}

// argv is the command that runs the script with arguments.
func (s script) argv(args ...string) []string {
	text := preamble()
	switch s {
	case armScript, followScript, recoverScript:
		text += watch()
	case tellScript:
		text += words()
	case confirmScript:
		text += watch() + words()
	}
	return append([]string{"/bin/sh", "-c", text + read(string(s)), "muster-" + string(s)}, args...)
}
