package syntax_test

import (
	"fmt"
	"os"

	"muster/compile/syntax"
)

func ExampleParseFile() {
	file, err := syntax.ParseFile("web.nix", []byte(`{ lib, ... }: { port = lib.mkDefault 80; }`), syntax.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	syntax.Walk(file.Expr, func(e syntax.Expr) bool {
		if call, ok := e.(*syntax.Apply); ok {
			fmt.Println(call.Pos(), syntax.FormatExpr(call))
		}
		return true
	})

	_, err = syntax.ParseFile("web.nix", []byte("{\n  port = ;\n}"), syntax.Options{})
	fmt.Println(err)
	// Output:
	// web.nix:1:24 lib.mkDefault 80
	// web.nix:2:10: syntax error, unexpected ';'
}

func ExampleFprint() {
	file := &syntax.File{Expr: &syntax.Attrs{Bindings: []syntax.Binding{
		&syntax.Attr{
			Path:  syntax.AttrPath{{Name: "networking"}, {Name: "hostName"}},
			Value: &syntax.String{Parts: []syntax.Part{{Text: "web1"}}},
		},
		&syntax.Attr{
			Path:  syntax.AttrPath{{Name: "motd"}},
			Value: &syntax.String{Parts: []syntax.Part{{Text: "no ${code} in text"}}},
		},
	}}}
	if err := syntax.Fprint(os.Stdout, file); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {
	//   networking.hostName = "web1";
	//   motd = "no \${code} in text";
	// }
}
