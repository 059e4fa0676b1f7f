// Package sshconfig finds out what an ssh configuration says about one host, as ssh_config(5) describes it.
//
// The package is pure: text goes in, [Settings] come out. Whatever a configuration can refer to outside of its own text
// comes in through an [Env]: the user, environment variables, Include files, the commands of "Match exec", names in the DNS.
//
//	file := sshconfig.File{Name: "config", Text: text, IncludeDir: "/home/me/.ssh"}
//	query := sshconfig.Query{Host: "web1", DefaultUser: "root"}
//	values, err := sshconfig.Read([]sshconfig.File{file}, query, env)
//	...
//	settings, err := values.Settings() // HostName, Port, User, IdentityFiles ...
//
// The flow: [Read] (resolve.go) walks the files line by line (reader.go, line.go), decides which sections count (match.go,
// pattern.go), reads each value by the parser of its keyword (keyword.go, values.go) and keeps the first; it does so again
// once it knows the canonical name of the host, where the configuration asks for that. [Values.Settings] fills in defaults
// and expands tokens (tokens.go), and [Values.Print] writes what ssh -G would.
//
// A line that ssh refuses is an error, with the file and the line, also in a section for other hosts. The files are read by
// hand because no library does that, or knows "Match final" and Include inside of a section, each of which decides which
// machine, user and key a connection gets.
package sshconfig
