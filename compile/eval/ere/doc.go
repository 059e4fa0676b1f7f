// Package ere matches POSIX extended regular expressions the way Nix's match and
// split do, byte for byte.
//
// Nix uses C++'s std::regex, so its behaviour is what counts: it follows the
// possible paths depth first, tries all branches of an alternative, and of the
// longest matches keeps the first it finds. That decides what groups capture.
// Go's package regexp finds another match, and knows other escapes and classes.
//
//	text ── Compile ──▶ Pattern, a program of states ── Match, Search ──▶ groups
//
// The program runs with backtracking (match.go). Once a match takes long, the
// outcome of each state at each position is remembered, so that no pattern takes
// more than (states × length) steps.
package ere
