package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var validSeeds = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `truex`, `0`, `-0`, `00`, `-`, `1.`, `.1`, `1e`, `1e+`, `1E-9`, `12.50e3`, `1.5.2`,
	`""`, `"`, `"a`, `"\"`, `"\\"`, `"\u00e9"`, `"\u00g0"`, `"\u12"`, `"\x"`, "\"\x1f\"", "\"\x7f\xff\"", `"eight..."`, `"seven..`, "\"1234567\n\"",
	`[]`, `[ ]`, `[1,2]`, `[1,]`, `[,1]`, `[1 2]`, `[`, `]`, `[}`, `{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`,
	`{"a":{"b":[{"c":null}]}}`, ` [ 1 , "two" , { "three" : 3 } ] `, `{}{}`, `1 2`, "\ufeff{}", "{\"a\":\"\x00\"}", `{"a":1}` + "\n",
	strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	strings.Repeat(`{"a":`, MaxDepth+1), `"` + strings.Repeat("x", 100) + `\n` + strings.Repeat("é", 50) + `"`,
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, s := range validSeeds {
		require.Equal(t, json.Valid([]byte(s)), Valid([]byte(s)), "%.60q", s)
		for i := range min(len(s), 200) { // one byte changed, and cut off there
			for _, c := range []byte("\"\\{}[],:0e-. \x00\x80u") {
				b := []byte(s)
				b[i] = c
				require.Equal(t, json.Valid(b), Valid(b), "%.60q", b)
			}
			require.Equal(t, json.Valid([]byte(s[:i])), Valid([]byte(s[:i])), "%.60q", s[:i])
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, s := range validSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		require.Equal(t, json.Valid(b), Valid(b))
	})
}
