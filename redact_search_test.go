package checkpoint_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// secret is what is looked for in the files of a store: 48 characters that stand
// nowhere else, none of which JSON escapes.
type secret string

func newSecret() secret { return secret((rand.Text() + rand.Text())[:48]) }

// in reports whether a third of the secret stands in b: a page may end within it.
func (s secret) in(b []byte) bool {
	for i := 0; i < len(s); i += 16 {
		if bytes.Contains(b, []byte(s[i:i+16])) {
			return true
		}
	}
	return false
}

// pageSize is that of SQLite's files and of bbolt's.
const pageSize = 4096

// find returns where the secret stands in the files of a folder: as plain bytes, and
// in whatever zstd frame there is, alive or left over, as far as it can still be
// decompressed. That nobody has the files open is not needed: see copyFiles.
func (s secret) find(t *testing.T, dir string) (found []string) {
	t.Helper()
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20), zstd.IgnoreChecksum(true))
	require.NoError(t, err)
	defer dec.Close()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		file, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		if s.in(file) {
			found = append(found, e.Name()+": plain")
		}
		// What SQLite stores over several pages has 4 bytes of each in between, and
		// in the WAL a header of 24 as well.
		var joined, logged []byte
		for i := 0; i < len(file); i += pageSize {
			joined = append(joined, file[min(i+4, len(file)):min(i+pageSize, len(file))]...)
		}
		for i := 32 + 24; i < len(file); i += 24 + pageSize {
			logged = append(logged, file[min(i+4, len(file)):min(i+pageSize, len(file))]...)
		}
		for how, b := range map[string][]byte{"in its bytes": file, "over pages": joined, "over logged pages": logged} {
			if s.in(b) && how != "in its bytes" {
				found = append(found, e.Name()+": plain, "+how)
			}
			for {
				i := bytes.Index(b, []byte{0x28, 0xb5, 0x2f, 0xfd})
				if i < 0 {
					break
				}
				b = b[i:]
				content, _ := dec.DecodeAll(b, nil) // what follows it is no frame
				if s.in(content) {
					found = append(found, e.Name()+": compressed, "+how)
				}
				b = b[4:]
			}
		}
	}
	return found
}
