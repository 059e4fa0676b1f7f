package eval

// tomlBuiltins read TOML.
var tomlBuiltins = []*builtin{
	fn1("fromTOML", fromTOML),
}

func fromTOML(th *thread, x value) value {
	th.failAs(UnsupportedError, 0, "fromTOML is not supported yet")
	return value{}
}
