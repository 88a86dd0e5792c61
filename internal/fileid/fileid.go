// Package fileid says under how many names a file can be opened, which matters to whoever
// keeps other files beside it, by its name.
package fileid
