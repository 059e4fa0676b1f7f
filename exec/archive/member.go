package archive

import (
	"io"

	"muster/exec/ondemand"
)

// The files of an archive, its members, besides those of the paths.
const (
	cacheName    = "nix-cache-info"
	manifestName = "muster.json"
	manifestSigs = "muster.json.sig" // only in a signed archive
	readmeName   = "README"
	sumsName     = "SHA256SUMS"
)

// Limits of what an archive may hold, far above what fleets need.
const (
	maxMembers  = 1 << 19   // files
	maxManifest = 16 << 20  // bytes of the manifest, and of the README made from it
	maxSums     = 128 << 20 // bytes of the checksums
	maxNarInfo  = 4 << 20   // bytes of one narinfo
	maxNarInfos = 128 << 20 // bytes of all of them
	maxMember   = 1 << 43   // bytes of any other file
)

// pathMember matches the two members of a path: its narinfo and its compressed archive.
var pathMember = ondemand.Regexp(`^([0-9a-df-np-sv-z]{32}\.narinfo|nar/[0-9a-df-np-sv-z]{52}\.nar\.zst)$`)

// checkMember refuses names that Export does not write.
func checkMember(name string) error {
	switch name {
	case cacheName, manifestName, manifestSigs, readmeName, sumsName:
		return nil
	}
	if !pathMember().MatchString(name) {
		return damaged("%.200q is not a file of an archive", name)
	}
	return nil
}

// sizeLimit is how large a member may be.
func sizeLimit(name string) int64 {
	switch name {
	case cacheName, manifestSigs:
		return 1 << 16
	case manifestName, readmeName:
		return maxManifest
	case sumsName:
		return maxSums
	}
	if isNarInfo(name) {
		return maxNarInfo
	}
	return maxMember
}

// A container has the members of an archive.
type container interface {
	// names lists the members in the order in which they are read fastest. All of them have the names of members.
	names() []string
	// open opens a member. A member that is not there is damage; so is one that is larger than sizeLimit.
	open(name string) (member, error)
	// wait returns what was found wrong with the container as a whole, once all of it is read.
	wait() error
	close() error
}

// A member is an open file of an archive.
type member interface {
	io.ReadCloser
	Size() int64
}
