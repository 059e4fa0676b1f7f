package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// What the system says of files, in words for users: the name of the file and why, without
// the system call, and what to do about it.

// messageOf is the text of an error. Where the system refused a file, it has the name of the
// file and not the system call: "x.json: permission denied", not "open x.json: permission denied".
func messageOf(err error) string {
	text := err.Error()
	call, name, why := systemError(err)
	if why == nil || !strings.Contains(text, call) {
		return text
	}
	before, after, _ := strings.Cut(text, call)
	plain := name + ": " + why.Error()
	if strings.Contains(before, name) {
		plain = why.Error()
	}
	return before + plain + after
}

// systemError finds in an error what the system says of a file: the text of that part, the
// name of the file, and why.
func systemError(err error) (text, name string, why error) {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Error(), path.Path, path.Err
	case errors.As(err, &link):
		return link.Error(), link.New, link.Err
	}
	return "", "", nil
}

// fileHint says what to do about a file that the system refuses; "" if nothing tells.
func fileHint(err error) string {
	_, name, _ := systemError(err)
	temporary := name != "" && within(os.TempDir(), name)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		if temporary {
			return fmt.Sprintf("free space in %s, or let TMPDIR name another folder", os.TempDir())
		}
		return "free space there (df shows where there is some), or write elsewhere"
	case errors.Is(err, syscall.EDQUOT):
		return "the quota of this user is used up: remove files, or write elsewhere"
	case errors.Is(err, syscall.EROFS):
		return "the file system can only be read: choose a folder on another"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "ulimit -n allows more open files"
	case errors.Is(err, syscall.ENAMETOOLONG):
		return "choose a shorter name"
	case name == "":
		return ""
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of this path is a file, where a folder is wanted"
	case errors.Is(err, fs.ErrPermission):
		return "let yourself in with chmod or chown, or run muster as its owner"
	case errors.Is(err, fs.ErrNotExist) && temporary:
		return fmt.Sprintf("let TMPDIR name a folder that exists: %s does not", os.TempDir())
	case errors.Is(err, fs.ErrNotExist):
		return "look at the name, and whether the folder is the one that is meant"
	}
	return ""
}

// within reports whether a name is that of a directory, or of what is in it.
func within(dir, name string) bool {
	rest, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rest)
}
