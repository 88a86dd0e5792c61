package main

import (
	"encoding/json"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/flowlog/checkpoint/statediff"
)

// mask stands where a value is not to be shown.
const mask = `"[redacted]"`

// redactor masks what is at some paths of states, as --redact says. Who compares
// states does so before: that a secret changed is no secret.
type redactor struct {
	paths []statediff.Path
	met   []bool // whether a state had something there
}

func (c *cli) redactor() (redactor, error) {
	var r redactor
	for _, text := range c.redact {
		path, err := statediff.ParsePath(text)
		if err != nil {
			return r, usage("--redact: %v", err)
		}
		r.paths, r.met = append(r.paths, path), append(r.met, false)
	}
	return r, nil
}

// secrets are the places of a state that are masked.
type secrets []statediff.Pointer

// in returns the places of a state that are masked: all, of one that isn't JSON or has an
// object with a name twice, since a path leads to the last of that name only.
func (r redactor) in(state []byte) secrets {
	if len(r.paths) == 0 {
		return nil
	}
	if !jsontext.Value(state).IsValid(jsontext.AllowInvalidUTF8(true)) {
		return secrets{""}
	}
	var list secrets
	for i, path := range r.paths {
		if p, err := path.In(state); err == nil {
			r.met[i] = true
			list = append(list, p)
		}
	}
	return list
}

// hides reports whether a place is masked, or lies in what is.
func (s secrets) hides(at statediff.Pointer) bool {
	return slices.ContainsFunc(s, func(p statediff.Pointer) bool { return p.Contains(at) })
}

// value returns the value that is at a place of the state, with what is to be masked
// in it masked.
func (s secrets) value(value []byte, at statediff.Pointer) []byte {
	if len(s) == 0 || value == nil {
		return value
	}
	if s.hides(at) {
		return []byte(mask)
	}
	type operation struct {
		Op    string            `json:"op"`
		Path  statediff.Pointer `json:"path"`
		Value json.RawMessage   `json:"value"`
	}
	var patch []operation
	for i, p := range s {
		outer := func(q statediff.Pointer) bool { return q.Contains(p) && q != p }
		if !at.Contains(p) || slices.ContainsFunc(s, outer) || slices.Contains(s[:i], p) {
			continue
		}
		patch = append(patch, operation{"replace", p[len(at):], json.RawMessage(mask)})
	}
	if len(patch) == 0 {
		return value
	}
	text, err := json.Marshal(patch)
	if err == nil {
		var masked []byte
		if masked, err = statediff.Apply(value, text); err == nil {
			return masked
		}
	}
	return []byte(mask) // rather nothing than a secret
}
