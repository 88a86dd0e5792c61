package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedactLeavesNoSecretBehindAName(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{
		`{"a":{"k":"secret"},"b":1}`:                       `{"a":{"k":"[redacted]"},"b":1}`,
		`{"a":{"k":"secret"},"a":{"x":1}}`:                 mask, // a.k leads to the second a
		`{"a":{"k":"secret"},"\u0061":{"x":1}}`:            mask,
		`{"a":[{"k":"secret","k":1}],"b":1}`:               mask,
		"{\"a\":{\"k\":\"secret\xff\"},\"b\":\"\\ud800\"}": `{"a":{"k":"[redacted]"},"b":"\ud800"}`,
		`not JSON, and secret`:                             mask,
	} {
		r, err := (&cli{redact: []string{"a.k", "/a/0/k"}}).redactor()
		require.NoError(t, err)
		require.Equal(t, want, string(r.in([]byte(state)).value([]byte(state), "")), state)
	}
}
