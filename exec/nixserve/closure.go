package nixserve

import (
	"fmt"
	"slices"
	"strings"

	"muster/compile/store"
)

// Closure returns the infos of paths and all they refer to, references first and otherwise by path, as Send wants them.
// The function info looks a path up.
func Closure(paths []store.Path, info func(store.Path) (PathInfo, error)) ([]PathInfo, error) {
	seen := make(map[store.Path]bool)
	var infos []PathInfo
	todo := slices.Clone(paths)
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[p] {
			continue
		}
		seen[p] = true
		i, err := info(p)
		if err != nil {
			return nil, err
		}
		infos = append(infos, i)
		todo = append(todo, i.References...)
	}
	return sortInfos(infos)
}

// sortInfos sorts infos references first and otherwise by path. References to paths outside of infos are ignored.
func sortInfos(infos []PathInfo) ([]PathInfo, error) {
	byPath := slices.Clone(infos)
	slices.SortFunc(byPath, func(a, b PathInfo) int { return strings.Compare(string(a.Path), string(b.Path)) })
	index := make(map[store.Path]int, len(byPath))
	for i, info := range byPath {
		index[info.Path] = i
	}
	const (
		open = 1
		done = 2
	)
	state := make([]byte, len(byPath))
	sorted := make([]PathInfo, 0, len(byPath))
	// A chain of references can be as long as the closure: too long for recursion.
	type frame struct{ at, next int }
	for root := range byPath {
		if state[root] == done {
			continue
		}
		state[root] = open
		stack := []frame{{at: root}}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			info := byPath[f.at]
			if f.next == len(info.References) {
				state[f.at] = done
				sorted = append(sorted, info)
				stack = stack[:len(stack)-1]
				continue
			}
			ref := info.References[f.next]
			f.next++
			i, ok := index[ref]
			if !ok || i == f.at || state[i] == done {
				continue
			}
			if state[i] == open {
				return nil, fmt.Errorf("sort paths by reference: %s and %s refer to each other", info.Path, ref)
			}
			state[i] = open
			stack = append(stack, frame{at: i})
		}
	}
	return sorted, nil
}

// TotalSize is the size of the archives of paths in bytes.
func TotalSize(infos []PathInfo) (n int64) {
	for _, info := range infos {
		n += info.NARSize
	}
	return n
}
