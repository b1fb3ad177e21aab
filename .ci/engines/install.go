package engines

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// installing is held while packages are installed: one at a time can.
var installing sync.Mutex

// policy is the file that Debian's packages ask before they start a service.
const policy = "/usr/sbin/policy-rc.d"

// install puts Debian packages in place, as root or by sudo that asks nothing, and has none
// of them start a service of its own.
func install(ctx context.Context, packages ...string) error {
	installing.Lock()
	defer installing.Unlock()
	fmt.Fprintln(os.Stderr, "installing", strings.Join(packages, " "))
	if _, err := os.Stat(policy); err != nil {
		script := "#!/bin/sh\nexit 101\n"
		if _, err := output(ctx, asRoot("sh", "-c", `printf %s "$1" >"$2" && chmod 755 "$2"`, "sh", script, policy)); err != nil {
			return err
		}
		defer func() { _, _ = output(context.WithoutCancel(ctx), asRoot("rm", "-f", policy)) }()
	}
	if _, err := output(ctx, asRoot("apt-get", "update")); err != nil {
		return err
	}
	_, err := output(ctx, asRoot(append([]string{
		"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends",
	}, packages...)...))
	return err
}

// asRoot makes a command that runs as root.
func asRoot(words ...string) *exec.Cmd {
	if os.Getuid() != 0 {
		words = append([]string{"sudo", "-n"}, words...)
	}
	return exec.Command(words[0], words[1:]...)
}

// output runs a command to its end, or kills it when ctx ends, and gives what it printed.
func output(ctx context.Context, made *exec.Cmd) (string, error) {
	cmd := exec.CommandContext(ctx, made.Path, made.Args[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if made.Err != nil {
		return "", made.Err
	}
	if err := cmd.Run(); err != nil {
		said := out.String() + errs.String()
		return "", fmt.Errorf("run %s: %w: %s", strings.Join(made.Args[:min(4, len(made.Args))], " "), err, said[max(0, len(said)-3000):])
	}
	return out.String(), nil
}
