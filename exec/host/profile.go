package host

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/bounded"
	"muster/exec/human"
)

// A ProfileName is a profile of a user: the user, "" for the one that is logged in, and
// the path of its link, absolute or below the user's home.
type ProfileName struct{ User, Path string }

// argv is the command that runs a script as the profile's user.
func (n ProfileName) argv(s script, args ...string) []string {
	return profileBecomeScript.argv(append([]string{n.User}, s.argv(append([]string{n.Path}, args...)...)...)...)
}

// InspectProfile looks at a profile and changes nothing. What runs is what the profile
// is on.
func (h *Host) InspectProfile(ctx context.Context, n ProfileName) (Inspection, error) {
	asked := time.Now()
	out, err := h.asProfile(ctx, h.answer, n, profileInspectScript)
	if err != nil {
		return Inspection{}, err
	}
	return parseInspection(out, asked, time.Now())
}

// ProfileGenerations are those of a profile, oldest first.
func (h *Host) ProfileGenerations(ctx context.Context, n ProfileName) ([]Generation, error) {
	out, err := h.asProfile(ctx, h.answer, n, profileGenerationsScript)
	if err != nil {
		return nil, fmt.Errorf("list the profile's generations: %w", err)
	}
	return parseGenerations(out), nil
}

// CollectProfile removes generations of a profile and what nothing needs any more, and
// returns what Nix says of that. ctx is the only limit on its time.
func (h *Host) CollectProfile(ctx context.Context, n ProfileName, generations []int) (freed string, err error) {
	var numbers []string
	for _, g := range generations {
		numbers = append(numbers, strconv.Itoa(g))
	}
	out, err := h.asProfile(ctx, 0, n, profileCollectScript, numbers...)
	if err != nil {
		return "", fmt.Errorf("collect garbage: %w", err)
	}
	return lastLine(out), nil
}

// asProfile runs a script as the profile's user and returns what it prints. A limit of 0
// is none.
func (h *Host) asProfile(ctx context.Context, limit time.Duration, n ProfileName, s script, args ...string) (string, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
		defer cancel()
	}
	out := &bounded.Head{Limit: maxAnswer}
	err := h.machine.Run(ctx, n.argv(s, args...), out, nil)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.String(), err
}

// A ProfileOrder is what is to become of a profile.
type ProfileOrder struct {
	Profile    ProfileName
	System     store.Path // its new content
	Before     store.Path // what it was seen on; "" for nothing
	Generation int        // to move to; 0 for a new one
	Activate   string     // a command of the user's shell
	Limit      time.Duration
	Run, Who   string
}

// ActivateProfile moves a profile and activates it, or takes it back where that fails:
// Done, Reverted, Untouched or Stuck. What it prints goes to log.
func (h *Host) ActivateProfile(ctx context.Context, o ProfileOrder, log io.Writer) (Verdict, error) {
	argv := o.Profile.argv(profileActivateScript, string(o.System), string(o.Before), strconv.Itoa(o.Generation), o.Activate,
		strconv.Itoa(max(1, int(o.Limit.Seconds()))), o.Run, strings.Join(strings.Fields(o.Who), " "))
	said := &bounded.Head{Limit: maxState}
	if err := h.machine.Run(ctx, argv, log, said); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return Verdict{}, fmt.Errorf("activate the profile: %w", err)
	}
	v := parseVerdict(lastLine(said.String()))
	switch v.Phase {
	case Done, Reverted, Untouched, Stuck:
		v.Reason = human.Clip(v.Reason, maxState)
		return v, nil
	}
	return Verdict{}, fmt.Errorf("activate the profile: unexpected answer %q", human.Clip(said.String(), maxWord))
}
