package eval

// typeBuiltins return the type of a value.
var typeBuiltins = []*builtin{
	fn1("isNull", isKind(kindNull)),
	fn1("isBool", isKind(kindBool)),
	fn1("isInt", isKind(kindInt)),
	fn1("isFloat", isKind(kindFloat)),
	fn1("isString", isKind(kindString)),
	fn1("isPath", isKind(kindPath)),
	fn1("isList", isKind(kindList)),
	fn1("isAttrs", isKind(kindSet)),
	fn1("isFunction", func(th *thread, x value) value { return boolValue(th.force(x).isFunction()) }),
	fn1("typeOf", func(th *thread, x value) value { return typeNames[th.force(x).kind()] }),
	fn1("functionArgs", functionArgs),
}

func isKind(k kind) func(*thread, value) value {
	return func(th *thread, x value) value { return boolValue(th.force(x).kind() == k) }
}

// typeNames are the results of typeOf.
var typeNames = [...]value{
	kindNull: stringValue("null"), kindBool: stringValue("bool"), kindInt: stringValue("int"), kindFloat: stringValue("float"),
	kindString: stringValue("string"), kindPath: stringValue("path"), kindList: stringValue("list"), kindSet: stringValue("set"),
	kindLambda: stringValue("lambda"), kindBuiltin: stringValue("lambda"), kindPartial: stringValue("lambda"),
}

// functionArgs returns { a = false; b = true; } of a function { a, b ? 1 }: ….
func functionArgs(th *thread, x value) value {
	f := th.force(x)
	switch f.kind() {
	case kindBuiltin, kindPartial:
		return emptySet
	case kindLambda:
	default:
		th.fail(0, "'functionArgs' requires a function")
	}
	formals := f.closure().fn.formals
	attrs := th.newAttrs(len(formals))
	for i, p := range formals {
		attrs[i] = attr{p.sym, p.pos, boolValue(p.hasDef)}
	}
	return th.newSet(attrs)
}
