package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTerminalIsNotObeyed (F20): nothing that a terminal obeys or hides comes through, in
// whatever format and however it was cut into writes, and JSON stays the same JSON.
func TestTerminalIsNotObeyed(t *testing.T) {
	t.Parallel()
	value := "csi \u009b31m del \x7f override \u202e zero \u200b bom \ufeff tag \U000e0041 line \u2028 é 日本 😀 \x1b[0m"
	text, err := json.Marshal(map[string]string{value: value})
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte(`\u2028`), []byte("\u2028"))
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		s, err := newScreen(nil, &out, "never")
		require.NoError(t, err)
		s.tty = true
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			wrote, err := s.Write(rest[:n])
			require.NoError(t, err)
			require.Equal(t, n, wrote)
			rest = rest[n:]
		}
		require.NoError(t, s.flush())
		require.NotContains(t, out.String(), "\x7f")
		for _, r := range out.String() {
			require.True(t, r < 0x7f || isHarmless(r), "%U", r)
		}
		require.Contains(t, out.String(), "é 日本 😀")
		var read map[string]string
		require.NoError(t, json.Unmarshal(out.Bytes(), &read))
		require.Equal(t, map[string]string{value: value}, read)
	}

	var out bytes.Buffer
	s, err := newScreen(nil, &out, "never") // a pipe or a file gets what there is
	require.NoError(t, err)
	s.Write(text)
	s.Write(text[:len(text)-3])
	require.NoError(t, s.flush())
	require.Equal(t, string(text)+string(text[:len(text)-3]), out.String())
}
