package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// envStore names the store where no flag does.
const envStore = "FLOWLOG_STORE"

// place is where a store is, and what is known of its kind: what its bytes are, or
// what the scheme says if they are nothing.
type place struct {
	path string
	kind kind
}

// place returns the store that the flag or the environment names, or the only one
// that lies where stores usually do.
func (c *cli) place() (place, error) {
	for _, given := range []string{c.store, os.Getenv(envStore)} {
		if given == "" {
			continue
		}
		scheme, path, err := splitScheme(given)
		if err != nil {
			return place{}, err
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return only(stores(scheme, path), path)
		}
		return placeAt(scheme, path)
	}
	return only(stores("", usualFolders()...), "., ./flowlog-demo and ./data")
}

// usualFolders are where a store is looked for.
func usualFolders() []string { return []string{".", demoFolder, "data"} }

// splitScheme takes the scheme from what names a store; the empty kind if there is
// none.
func splitScheme(given string) (kind, string, error) {
	for _, k := range kinds() {
		path, ok := strings.CutPrefix(given, string(k)+":")
		if ok && path == "" {
			return "", "", usage("%s names no store: the path behind it is missing, as in %scheckpoints.db", given, given)
		}
		if ok {
			return k, path, nil
		}
	}
	return "", given, nil
}

// placeAt returns the store in a file, which must be of the kind that the scheme
// says.
func placeAt(scheme kind, path string) (place, error) {
	k, _, err := kindOf(path)
	switch {
	case os.IsNotExist(err):
		return place{}, noStoreAt(path)
	case err != nil:
		return place{}, usage("the store can't be read: %v; name another with --store", err)
	case k == "" && scheme == "":
		return place{}, usage("%s is no store: it is %s; name another with --store", path, contents(path))
	case k == "": // its driver says more
		k = scheme
	case scheme != "" && scheme != k:
		return place{}, usage("%s:%s contradicts the file: it is a %s file; say %s:%s, or the path alone", scheme, path, k.name(), k, path)
	}
	return place{path, k}, nil
}

func noStoreAt(path string) error {
	hint := ""
	if scheme, _, ok := strings.Cut(path, ":"); ok && len(scheme) > 1 && !strings.ContainsAny(scheme, `/\.`) {
		hint = fmt.Sprintf(" (%s: is no scheme; those are sqlite: and bolt:)", scheme)
	}
	return usage("there is no store at %s%s; name another with --store, or make one with `flowlog demo`", path, hint)
}

// contents says what a file that is no store is.
func contents(path string) string {
	switch info, err := os.Stat(path); {
	case err != nil || !info.Mode().IsRegular():
		return "not a regular file"
	case info.Size() == 0:
		return "empty"
	}
	return "neither a SQLite nor a bbolt file"
}

func only(places []place, where string) (place, error) {
	switch len(places) {
	case 0:
		return place{}, usage("there is no store in %s; name one with --store PATH or %s, or make one with `flowlog demo`", where, envStore)
	case 1:
		return places[0], nil
	}
	paths := make([]string, len(places))
	for i, p := range places {
		paths[i] = p.path
	}
	return place{}, usage("there are several stores: %s; choose one with --store PATH or %s", strings.Join(paths, ", "), envStore)
}

// stores returns the files in the folders that are stores, of one kind or of all.
func stores(of kind, folders ...string) []place {
	var found []place
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder) // a folder that can't be read has none for us
		for _, e := range entries {
			path := filepath.Join(folder, e.Name())
			if k, ours, _ := kindOf(path); ours && (of == "" || of == k) {
				found = append(found, place{path, k})
			}
		}
	}
	slices.SortFunc(found, func(a, b place) int { return strings.Compare(a.path, b.path) })
	return slices.Compact(found)
}
