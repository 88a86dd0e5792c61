package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/flowlog/checkpoint"
)

// driver is a way of storing in a file.
type driver struct {
	name string
	open func(path string, opts ...checkpoint.Option) (*checkpoint.EventStore, error)
}

var drivers = []driver{
	{"sqlite", func(path string, opts ...checkpoint.Option) (*checkpoint.EventStore, error) {
		s, err := checkpoint.NewSQLiteStore(path, opts...)
		if err != nil {
			return nil, err
		}
		return s.EventStore, nil
	}},
	{"bolt", func(path string, opts ...checkpoint.Option) (*checkpoint.EventStore, error) {
		s, err := checkpoint.NewBoltStore(path, opts...)
		if err != nil {
			return nil, err
		}
		return s.EventStore, nil
	}},
}

func driverNamed(name string) (driver, error) {
	for _, d := range drivers {
		if d.name == name {
			return d, nil
		}
	}
	return driver{}, fmt.Errorf("there is no driver %q", name)
}

// eachDriver calls f for every driver, with the path of a file to be made.
func eachDriver(f func(d driver, path string) error) error {
	for _, d := range drivers {
		path, done, err := tempFile()
		if err != nil {
			return err
		}
		err = f(d, path)
		done()
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

// fast is for filling a store whose filling is not what is measured.
func fast() checkpoint.Option { return checkpoint.WithDurability(checkpoint.DurabilityOff) }

// onDisk returns what a store takes: its file and those beside it, such as the WAL.
func onDisk(path string) int64 {
	names, _ := filepath.Glob(path + "*") // the pattern is well formed
	var size int64
	for _, name := range names {
		if fi, err := os.Stat(name); err == nil { // else it was removed just now
			size += fi.Size()
		}
	}
	return size
}

// emptySize returns what a store without events takes.
func emptySize(d driver) (int64, error) {
	path, done, err := tempFile()
	if err != nil {
		return 0, err
	}
	defer done()
	store, err := d.open(path)
	if err != nil {
		return 0, err
	}
	err = store.Close()
	return onDisk(path), err
}

// children are what this command does in a process of its own, to have its memory
// or its processors to itself. Each returns what the parent is to know.
var children = map[string]func(args []string) (any, error){
	"blame": blameChild,
	"flat":  flatChild,
	"long":  longChild,
	"look":  lookChild,
	"seal":  sealChild,
}

// runChild is what a child process does.
func runChild(name string, args []string) error {
	f, ok := children[name]
	if !ok {
		return fmt.Errorf("there is no child %q", name)
	}
	result, err := f(args)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// startChild runs a child to its end and decodes what it returned.
func startChild(result any, env []string, name string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{"-child", name}, args...)...)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("child %s: %w", name, err)
	}
	return json.Unmarshal(out, result)
}
