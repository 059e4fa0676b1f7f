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
	adoptScript         script = "adopt"
	applySecretsScript  script = "applysecrets"
	armScript           script = "arm"
	bootIDScript        script = "bootid"
	collectScript       script = "collect"
	compareScript       script = "compare"
	confirmScript       script = "confirm"
	dryScript           script = "dry"
	followScript        script = "follow"
	generationsScript   script = "generations"
	guardScript         script = "guard" // which arm.sh leaves on the host and starts
	inPlaceAgreeScript  script = "inplaceagree"
	inPlaceLeaveScript  script = "inplaceleave"
	inPlaceLookScript   script = "inplacelook"
	inPlaceSystemScript script = "inplacesystem"
	hostKeyScript       script = "hostkey"
	hostKeyBackScript   script = "hostkeyback"
	hostKeySettleScript script = "hostkeysettle"
	inspectScript       script = "inspect"
	installDiskoScript  script = "installdisko"
	installDoneScript   script = "installdone"
	installFormatScript script = "installformat"
	installImageScript  script = "installimage"
	installKexecScript  script = "installkexec"
	installKeysScript   script = "installkeys"
	installLeaveScript  script = "installleave"
	installLookScript   script = "installlook"
	installLUKSScript   script = "installluks"
	installMountScript  script = "installmount"
	installSystemScript script = "installsystem"
	installTableScript  script = "installtable"
	lastBootScript      script = "lastboot"
	lockScript          script = "lock"
	mendMeshScript      script = "mendmesh"
	peerFetchScript     script = "peerfetch"
	peerGrantScript     script = "peergrant"
	peerReadyScript     script = "peerready"
	peerServeScript     script = "peerserve"
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

	profileActivateScript    script = "profileactivate"
	profileBecomeScript      script = "profilebecome"
	profileCollectScript     script = "profilecollect"
	profileGenerationsScript script = "profilegenerations"
	profileInspectScript     script = "profileinspect"
)

// A part is a file of functions that several scripts go on with.
type part string

const (
	preamblePart    part = "preamble"
	profilePart     part = "profileparts"
	bootDefaultPart part = "bootdefault"
	diskPart        part = "diskparts"
	hostKeyPart     part = "hostkeyparts"
	installPart     part = "installparts"
	launchPart      part = "launch"
	setsPart        part = "sets"
	watchPart       part = "watch"
	wordsPart       part = "words"
)

// parts are those that a script needs besides the preamble. What no script of a
// request needs is not sent: the host would have to parse it.
var parts = map[script][]part{
	adoptScript:         {diskPart},
	applySecretsScript:  {setsPart},
	armScript:           {bootDefaultPart, launchPart, watchPart},
	confirmScript:       {bootDefaultPart, launchPart, watchPart, wordsPart},
	followScript:        {watchPart},
	guardScript:         {bootDefaultPart, launchPart, setsPart},
	inPlaceAgreeScript:  {installPart},
	inPlaceLeaveScript:  {installPart},
	inPlaceSystemScript: {installPart},
	hostKeyScript:       {hostKeyPart},
	hostKeyBackScript:   {hostKeyPart},
	hostKeySettleScript: {hostKeyPart},
	inspectScript:       {bootDefaultPart},
	installDiskoScript:  {installPart},
	installFormatScript: {installPart},
	installImageScript:  {installPart},
	installKexecScript:  {installPart},
	installKeysScript:   {installPart},
	installLeaveScript:  {installPart},
	installLookScript:   {diskPart},
	installLUKSScript:   {installPart},
	installMountScript:  {installPart},
	installSystemScript: {installPart},
	installTableScript:  {installPart},
	recoverScript:       {launchPart, watchPart},
	secretsScript:       {setsPart},
	settleSecretsScript: {setsPart},
	tellScript:          {launchPart, wordsPart},

	profileActivateScript:    {profilePart},
	profileCollectScript:     {profilePart},
	profileGenerationsScript: {profilePart},
	profileInspectScript:     {profilePart},
}

// guard is the text of the guard, read when it is first needed.
var guard = sync.OnceValue(guardScript.text)

// text is a whole script.
func (s script) text() string {
	text := read(string(preamblePart))
	for _, p := range parts[s] {
		text += read(string(p))
	}
	text += read(string(s))
	if s == confirmScript {
		text += read(string(inspectScript)) // with the arguments that are left
	}
	return text
}

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
	return append([]string{"/bin/sh", "-c", s.text(), "muster-" + string(s)}, args...)
}
