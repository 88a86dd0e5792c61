package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// ioCounters are bytes that this process read and wrote: rchar and wchar through
// system calls, writeBytes as handed to the disk. Linux only.
type ioCounters struct{ rchar, wchar, writeBytes int64 }

func readIO() (ioCounters, error) {
	f, err := os.Open("/proc/self/io")
	if err != nil {
		return ioCounters{}, err
	}
	defer f.Close()
	var c ioCounters
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		var name string
		var n int64
		if _, err := fmt.Sscan(sc.Text(), &name, &n); err != nil {
			return ioCounters{}, err
		}
		switch name {
		case "rchar:":
			c.rchar = n
		case "wchar:":
			c.wchar = n
		case "write_bytes:":
			c.writeBytes = n
		}
	}
	return c, sc.Err()
}

func tempFile() (path string, done func(), err error) {
	dir, err := os.MkdirTemp("", "flowlog-bench-")
	return filepath.Join(dir, "flowlog.db"), func() { os.RemoveAll(dir) }, err
}

// noise returns a state of about n bytes that neither compresses nor resembles
// another.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n*3/4)
	rand.NewChaCha8(key).Read(b)
	state, err := json.Marshal(base64.StdEncoding.EncodeToString(b))
	if err != nil {
		panic(err) // a string
	}
	return state
}
