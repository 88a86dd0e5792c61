package main

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/flowlog/checkpoint/statediff"
)

// edit is a value to be set in a state.
type edit struct {
	text  string // as given
	path  statediff.Path
	value json.RawMessage
}

// parseEdit reads PATH=JSON. A path may hold a = itself: the first that makes sense
// is taken for the one between them.
func parseEdit(text string) (edit, error) {
	var failed error
	for i := range len(text) {
		if text[i] != '=' {
			continue
		}
		name := text[:i]
		if name[:min(i, 1)] != "/" {
			name = strings.TrimSpace(name) // names with blanks are quoted in such paths
		}
		path, err := statediff.ParsePath(name)
		if err != nil || name == "" {
			if failed == nil && name != "" {
				failed = usage("--set %s: %v", text, err)
			}
			continue
		}
		value := strings.TrimSpace(text[i+1:])
		if _, err = statediff.Parse([]byte(value)); err == nil {
			return edit{text, path, json.RawMessage(value)}, nil
		}
		if known := (*notJSONError)(nil); !errors.As(failed, &known) {
			failed = &notJSONError{usage("%s", noJSON(text, name, value, err))}
		}
	}
	if failed == nil {
		failed = usage(`--set %s: it is PATH=JSON, as in --set passes=3 or --set 'task="shorter"'`, text)
	}
	return edit{}, failed
}

// looksLikeEdit reports whether a text is PATH=JSON, or would be but for its value.
func looksLikeEdit(text string) bool {
	_, err := parseEdit(text)
	_, noValue := errors.AsType[*notJSONError](err)
	return err == nil || noValue
}

// notJSONError says of a value that it is not JSON; its path is one.
type notJSONError struct{ error }

func (e *notJSONError) Unwrap() error { return e.error }

// apply returns a state with the value set.
func (e edit) apply(state []byte) ([]byte, error) {
	op := "replace"
	at, err := e.path.In(state)
	if err != nil {
		if at, err = e.place(state, err); err != nil {
			return nil, err
		}
		op = "add"
	}
	patch, err := json.Marshal([]struct {
		Op    string            `json:"op"`
		Path  statediff.Pointer `json:"path"`
		Value json.RawMessage   `json:"value"`
	}{{op, at, json.RawMessage("0")}})
	if err != nil {
		return nil, err
	}
	// Marshalling the value would write it otherwise.
	patch = append(append(patch[:len(patch)-len("0}]")], e.value...), "}]"...)
	return statediff.Apply(state, patch)
}

// place returns where a value is to be added that is not there: as a member of an
// object, or behind an array's last element. Else it returns why it is not there.
func (e edit) place(state []byte, missing error) (statediff.Pointer, error) {
	parent, name, ok := e.path.Parent()
	if !ok {
		return "", missing
	}
	at, err := parent.In(state)
	if err != nil {
		return "", err
	}
	in, err := statediff.Lookup(state, at)
	if err != nil {
		return "", err
	}
	if in[0] == '{' || in[0] == '[' && name == "-" {
		return at.Name(name), nil
	}
	return "", missing
}
