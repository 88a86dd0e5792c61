package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// module is what the command is a part of, and command its place in there.
const (
	module  = "github.com/flowlog/checkpoint"
	command = "cmd/flowlog"
)

// quote returns a word as a shell takes it for one.
func quote(word string) string {
	harmless := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+:./_-", r)
	}
	switch {
	case word != "" && strings.TrimFunc(word, harmless) == "":
		return word
	case runtime.GOOS == "windows":
		return `"` + word + `"`
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// invocation returns how this command was called, for commands that people copy.
func invocation() string {
	exe, err := os.Executable()
	if err != nil {
		return "flowlog"
	}
	if isGoRun(exe) {
		return "go run " + packageToRun()
	}
	if name := os.Args[0]; name != filepath.Base(name) {
		return quote(name)
	}
	if found, err := exec.LookPath(os.Args[0]); err == nil {
		if resolved, err := filepath.EvalSymlinks(found); err == nil && resolved == exe || found == exe {
			return quote(os.Args[0])
		}
	}
	return quote(exe)
}

// isGoRun reports whether a binary lies where `go run` puts it: in a work folder,
// or in the build cache under its hash.
func isGoRun(exe string) bool {
	slashed := filepath.ToSlash(exe)
	return regexp.MustCompile(`/go-build\d+/.*/exe/[^/]+$`).MatchString(slashed) ||
		regexp.MustCompile(`/[0-9a-f]{64}-d/[^/]+$`).MatchString(slashed)
}

// packageToRun returns this package as `go run` takes it in the working directory.
func packageToRun() string {
	if root, ok := moduleRoot(); ok {
		if dir, err := os.Getwd(); err == nil {
			if rel, err := filepath.Rel(dir, filepath.Join(root, filepath.FromSlash(command))); err == nil {
				rel = filepath.ToSlash(rel)
				if !strings.HasPrefix(rel, ".") {
					rel = "./" + rel
				}
				return quote(rel)
			}
		}
	}
	version := "latest"
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		version = info.Main.Version
	}
	return module + "/" + command + "@" + version
}

// moduleRoot returns the folder of our module, if the working directory is in it.
func moduleRoot() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil {
			first, _, _ := strings.Cut(string(text), "\n")
			return dir, strings.TrimSpace(first) == "module "+module
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
