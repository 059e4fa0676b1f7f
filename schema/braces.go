package schema

import (
	"fmt"
	"strings"
)

// The limits of what the braces of one word stand for.
const (
	maxWords     = 10_000
	maxWordBytes = 1 << 20
)

// expand returns the words that a word with braces stands for, as a shell does:
// gw{1,2} is gw1 and gw2, and {a,b}{1,2} is a1, a2, b1 and b2. Braces may be nested.
func expand(word string) ([]string, error) {
	words, rest, err := alternatives(word, 0)
	if err == nil && rest != "" {
		err = fmt.Errorf("%q: } without {", clip(word))
	}
	return words, err
}

// alternatives reads a sequence of letters and braces, up to the comma or brace that
// ends it where depth is not 0.
func alternatives(text string, depth int) (words []string, rest string, err error) {
	if depth > maxDepth {
		return nil, "", fmt.Errorf("braces nested deeper than %d levels", maxDepth)
	}
	words = []string{""}
	for text != "" {
		end := strings.IndexAny(text, "{},")
		if depth == 0 && end >= 0 && text[end] == ',' {
			end = strings.IndexAny(text, "{}")
		}
		if end < 0 {
			end = len(text)
		}
		if words, err = products(words, []string{text[:end]}); err != nil {
			return nil, "", err
		}
		if text = text[end:]; text == "" || text[0] != '{' {
			break
		}
		var group []string
		if group, text, err = braces(text, depth); err != nil {
			return nil, "", err
		}
		if words, err = products(words, group); err != nil {
			return nil, "", err
		}
	}
	return words, text, nil
}

// braces reads {a,b,…} at the start of a text.
func braces(text string, depth int) (group []string, rest string, err error) {
	whole := text
	for text = text[1:]; ; text = text[1:] {
		words, rest, err := alternatives(text, depth+1)
		if err != nil {
			return nil, "", err
		}
		if group = append(group, words...); len(group) > maxWords {
			return nil, "", errManyWords
		}
		switch text = rest; {
		case text == "":
			return nil, "", fmt.Errorf("%q: missing }", clip(whole))
		case text[0] == '}':
			return group, text[1:], nil
		}
	}
}

// products returns each of the first words with each of the second behind it.
func products(first, second []string) ([]string, error) {
	if len(first)*len(second) > maxWords {
		return nil, errManyWords
	}
	out, size := make([]string, 0, len(first)*len(second)), 0
	for _, a := range first {
		for _, b := range second {
			if size += len(a) + len(b); size > maxWordBytes {
				return nil, errManyWords
			}
			out = append(out, a+b)
		}
	}
	return out, nil
}

var errManyWords = fmt.Errorf("braces stand for more than %d words or %d bytes", maxWords, maxWordBytes)
