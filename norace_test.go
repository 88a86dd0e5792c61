//go:build !race

package checkpoint_test

const raced = false
