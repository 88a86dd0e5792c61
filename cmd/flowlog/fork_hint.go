package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/flowlog/checkpoint/statediff"
)

// noJSON says what is wrong with a value, and what was meant. Most who give none mean a
// text, whose quotes the shell took.
func noJSON(text, path, value string, err error) string {
	as := func(value string) string { return "--set " + quote(path+"="+value) }
	switch {
	case value == "":
		return fmt.Sprintf(`--set %s: the value is missing; an empty text is %s`, text, as(`""`))
	case strings.ContainsAny(value[:1], `{[`) && !strings.Contains(value, `"`):
		return fmt.Sprintf(`--set %s: the value is not JSON: %v; if the shell took its quotes, put single ones around it all, as in %s`, text, err, as(`{"name":"x"}`))
	case strings.ContainsAny(value[:1], `{["`):
		return fmt.Sprintf("--set %s: the value is not JSON: %v", text, err)
	}
	if meant, ok := asJSON(value); ok {
		return fmt.Sprintf("--set %s: the value is not JSON, which writes it %s: %s", text, meant, as(meant))
	}
	value = strings.Trim(value, "'")
	words, _ := json.Marshal(value) // a string always can be
	return fmt.Sprintf("--set %s: the value is not JSON; a text needs quotes of its own within the shell's: %s", text, as(string(words)))
}

// asJSON returns a number or a word of another language as JSON has it.
func asJSON(value string) (string, bool) {
	switch strings.ToLower(value) {
	case "true", "false":
		return strings.ToLower(value), true
	case "none", "nil", "null":
		return "null", true
	}
	digits, negative := strings.CutPrefix(value, "-")
	digits = strings.TrimLeft(strings.TrimPrefix(digits, "+"), "0")
	if digits == "" || strings.ContainsAny(digits[:1], ".eE") {
		digits = "0" + digits
	}
	digits = strings.TrimSuffix(digits, ".")
	if negative {
		digits = "-" + digits
	}
	_, err := statediff.Parse([]byte(digits))
	return digits, err == nil && strings.ContainsAny(value, "0123456789")
}

// note says what an edit does to a state that may be a slip: a member that the state had
// not, or a value of another type.
func (e edit) note(state []byte) string {
	at, err := e.path.In(state)
	if err == nil {
		old, err := statediff.Lookup(state, at)
		was, is := typeName(old), typeName(e.value)
		if err != nil || was == is || was == statediff.Null.String() {
			return ""
		}
		return fmt.Sprintf("%s was a %s, becomes a %s", e.path, was, is)
	}
	missing, ok := errors.AsType[*statediff.LookupError](err)
	if !ok {
		return ""
	}
	tokens, kind := children(state, missing.At)
	if kind != statediff.Object {
		return "" // an element, which is said to be new by its place
	}
	meant := didYouMean(paths(missing.At, nearest(missing.Token, tokens)))
	return strings.TrimRight(fmt.Sprintf("%s is a new member%s", e.path, meant), "; ")
}

// typeName returns the type of a value as written.
func typeName(value []byte) string {
	doc, err := statediff.Parse(value)
	if err != nil {
		return ""
	}
	for v := range doc.All() {
		return v.Type().String()
	}
	return ""
}
