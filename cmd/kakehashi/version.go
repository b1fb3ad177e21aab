package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kakehashi/internal/manual/licences"
)

// version is the module's version, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	if v == "" {
		return "unknown"
	}
	return v
}

func versionCommand(s streams) *cobra.Command {
	var notices, asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "版と、組み込んだソフトウェアのライセンスを表示します",
		Example: "  kakehashi version\n  kakehashi version --licences",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			switch {
			case notices:
				_, err := fmt.Fprintln(s.out, licences.Notices())
				return err
			case asJSON:
				return writeJSON(s.out, map[string]string{"version": version(), "go": info.GoVersion})
			}
			_, err := fmt.Fprintf(s.out, "架け橋 kakehashi %s (%s)\n", version(), info.GoVersion)
			return err
		},
	}
	c.Flags().BoolVar(&notices, "licences", false, "組み込んだソフトウェアのライセンスを表示します")
	jsonFlag(c, &asJSON)
	return c
}
