package checkpoint_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var codeBlock = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```")

// TestREADME holds the README's code to code that compiles: each Go block stands,
// but for its indentation, in an example, and each shell command is one that the
// checks run.
func TestREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	examples := ""
	files, err := filepath.Glob("*example*_test.go")
	require.NoError(t, err)
	more, err := filepath.Glob("flowgraphstore/*example*_test.go")
	require.NoError(t, err)
	for _, f := range append(files, more...) {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		examples += flat(string(b))
	}
	ci, err := os.ReadFile(".ci/run")
	require.NoError(t, err)
	blocks := codeBlock.FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		switch language, text := b[1], b[2]; language {
		case "go":
			require.True(t, strings.Contains(examples, flat(text)), "this block of the README stands in no example:\n%s", text)
		case "sh":
			for line := range strings.Lines(text) {
				command, _, _ := strings.Cut(line, " #")
				require.True(t, strings.Contains(string(ci), strings.TrimSpace(command)) || strings.HasPrefix(command, "sqlite3 "),
					"this command of the README is not run by .ci/run: %s", command)
			}
		case "text":
		default:
			t.Fatalf("a block of language %q: nothing checks it", language)
		}
	}
}

// flat takes the indentation off.
func flat(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimLeft(line, " \t"))
	}
	return b.String()
}
