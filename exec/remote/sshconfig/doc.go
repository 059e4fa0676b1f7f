// Package sshconfig finds out what an ssh configuration says about one host, as ssh_config(5) describes it.
//
// The package is pure: text goes in, [Settings] come out. Whatever a configuration can refer to outside of its own text
// comes in through an [Env]: the user, environment variables, Include files, the commands of "Match exec".
//
//	file := sshconfig.File{Name: "config", Text: text, IncludeDir: "/home/me/.ssh"}
//	query := sshconfig.Query{Host: "web1", DefaultUser: "root"}
//	values, err := sshconfig.Read([]sshconfig.File{file}, query, env)
//	...
//	settings, err := values.Settings(query, env) // HostName, Port, User, IdentityFiles ...
//
// The flow: [Read] walks the files line by line (line.go), decides which sections count (match.go, pattern.go) and keeps
// the first value of each keyword; [Values.Settings] fills in defaults and expands tokens (tokens.go). Where the files
// hold something that only ssh can tell, [ParseAnswer] takes the values from the output of ssh -G instead.
//
// The files are read by hand because no library knows Match, Include inside a section and "Match final", each of which
// decides which machine, user and key a connection gets.
package sshconfig
