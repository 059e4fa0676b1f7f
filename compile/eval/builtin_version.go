package eval

import "muster/compile/store"

// versionBuiltins split and compare versions.
var versionBuiltins = []*builtin{
	fn1("parseDrvName", parseDrvName),
	fn2("compareVersions", func(th *thread, x, y value) value {
		return th.newInt(int64(store.CompareVersions(th.wantPlainString(x, 0), th.wantPlainString(y, 0))))
	}),
	fn1("splitVersion", splitVersion),
}

func parseDrvName(th *thread, x value) value {
	name, version := store.SplitName(th.wantPlainString(x, 0))
	return sortedSet(attr{sym: symName, v: stringValue(name)}, attr{sym: symVersion, v: stringValue(version)})
}

func splitVersion(th *thread, x value) value {
	var out []value
	s := th.wantPlainString(x, 0)
	th.reserve(40 * len(s)) // a string for each byte
	for _, c := range store.SplitVersion(s) {
		out = th.add(out, stringValue(c))
	}
	return th.newList(out)
}
