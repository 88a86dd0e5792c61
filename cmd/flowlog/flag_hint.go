package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// wrongFlag says what is wrong with a flag, up to where the flags are listed, and which
// may have been meant.
func wrongFlag(cmd *cobra.Command, err error) string {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		meant := nearest(unknown.GetSpecifiedName(), names)
		for i, name := range meant {
			meant[i] = "--" + name
		}
		return fmt.Sprintf("%v%s", err, didYouMean(meant))
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		switch name, value := wrong.GetFlag().Name, wrong.GetValue(); wrong.GetFlag().Value.Type() {
		case "int":
			if errors.Is(err, strconv.ErrRange) {
				return fmt.Sprintf("--%s %s is out of range; ", name, value)
			}
			return fmt.Sprintf("--%s %q is not a number; ", name, value)
		case "duration":
			if errors.Is(err, errTwice) {
				return fmt.Sprintf("--%s %q: it is given twice; ", name, value)
			}
			switch wrong.GetFlag().Value.(type) {
			case *span, *once:
				return fmt.Sprintf("--%s %q is not a time span, such as 90s, 12h, 30d, 2w or 1d12h, of at most 292 years; ", name, value)
			}
			return fmt.Sprintf("--%s %q is not a time, such as 500ms, 5s or 1m; ", name, value)
		}
	}
	return fmt.Sprintf("%v; ", err)
}
