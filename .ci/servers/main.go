// Command servers runs the real servers that tests want: PostgreSQL, Redis and Kafka. From
// the root of the repository:
//
//	go run ./.ci/servers with -- go test ./...   # for one command: started, told of, stopped
//	go run ./.ci/servers start                   # for a day's work: prints the variables to export
//	go run ./.ci/servers env                     # prints them again
//	go run ./.ci/servers stop
//
// With -only postgres,redis it starts these alone. A server that is named already by its
// KAKEHASHI_TEST_… variable is used and not started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"kakehashi/.ci/engines"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("one of with, start, env, stop is wanted")
	}
	flags := flag.NewFlagSet("servers", flag.ContinueOnError)
	only := flags.String("only", "postgres,redis,kafka", "which servers, separated by commas")
	where := flags.String("dir", filepath.Join(os.TempDir(), fmt.Sprintf("kakehashi-servers-%d", os.Getuid())), "the folder of start, env and stop")
	if err := flags.Parse(args[1:]); err != nil {
		return 2, err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	var err error
	switch args[0] {
	case "with":
		return with(ctx, *only, flags.Args())
	case "start":
		err = start(ctx, *only, *where)
	case "hold":
		err = hold(ctx, *only, *where)
	case "env":
		err = env(*where)
	case "stop":
		err = stop(ctx, *where)
	default:
		return 2, fmt.Errorf("%q is none of with, start, env, stop", args[0])
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// running is a folder with the servers in it.
type running struct {
	dir     string
	mu      sync.Mutex
	servers []*engines.Server
}

// begin starts the servers that nobody named yet, all at once.
func begin(ctx context.Context, only string) (*running, error) {
	dir, err := os.MkdirTemp("", "kakehashi-servers-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	// PostgreSQL runs as another user and must reach its own folder through this one.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	r := &running{dir: dir}
	var all sync.WaitGroup
	failed := make(chan error, len(engines.Kinds()))
	wanted := strings.Split(only, ",")
	for _, kind := range engines.Kinds() {
		if !slices.Contains(wanted, string(kind)) || os.Getenv("KAKEHASHI_TEST_"+strings.ToUpper(string(kind))) != "" {
			continue
		}
		all.Go(func() {
			s, err := engines.Start(ctx, kind, dir)
			if err != nil {
				failed <- err
				return
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.servers = append(r.servers, s)
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		return nil, errors.Join(err, r.end())
	}
	return r, nil
}

// end stops all servers and removes the folder.
func (r *running) end() error {
	var all sync.WaitGroup
	for _, s := range r.servers {
		all.Go(s.Stop)
	}
	all.Wait()
	return os.RemoveAll(r.dir)
}

// env gives what tests are told.
func (r *running) env() []string {
	var all []string
	for _, s := range r.servers {
		all = append(all, s.Env()...)
	}
	slices.Sort(all)
	return all
}

// with runs a command beside the servers and ends as it did.
func with(ctx context.Context, only string, words []string) (int, error) {
	if len(words) == 0 {
		return 2, errors.New("with what command?")
	}
	begun := time.Now()
	r, err := begin(ctx, only)
	if err != nil {
		return 1, err
	}
	fmt.Printf("servers: %d started in %v\n", len(r.servers), time.Since(begun).Round(100*time.Millisecond))
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), r.env()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	err = cmd.Run()
	code := 1
	if cmd.ProcessState != nil && cmd.ProcessState.Exited() {
		code = cmd.ProcessState.ExitCode()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = nil // it has told why itself
	}
	if err := errors.Join(err, r.end()); err != nil {
		return max(code, 1), err
	}
	return code, nil
}

// The files of start in its folder.
const (
	pidFile = "pid"
	envFile = "env"
)

// start leaves a process behind that holds the servers, and prints the variables.
func start(ctx context.Context, only, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, envFile)); err == nil {
		return errors.New("they run already; stop ends them")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	holder := exec.Command(self, "hold", "-only", only, "-dir", dir)
	holder.Stderr = os.Stderr
	holder.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := holder.Start(); err != nil {
		return fmt.Errorf("start the holder: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- holder.Wait() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("the servers did not start: %w", err)
		case <-ctx.Done():
			_ = holder.Process.Signal(syscall.SIGTERM)
			<-ended
			return ctx.Err()
		case <-tick.C:
			if env(dir) == nil {
				return nil
			}
		}
	}
}

// hold is the process that start leaves behind.
func hold(ctx context.Context, only, dir string) error {
	r, err := begin(ctx, only)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, e := range r.env() {
		name, value, _ := strings.Cut(e, "=")
		fmt.Fprintf(&text, "export %s=%s\n", name, value)
	}
	err = os.WriteFile(filepath.Join(dir, pidFile), []byte(strconv.Itoa(os.Getpid())), 0o600)
	if err == nil { // whole or not at all: start waits for it
		part := filepath.Join(dir, envFile+".part")
		err = errors.Join(os.WriteFile(part, []byte(text.String()), 0o600), os.Rename(part, filepath.Join(dir, envFile)))
	}
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, r.end(), os.RemoveAll(dir))
}

// env prints the variables of what start started.
func env(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, envFile))
	if err != nil {
		return errors.New("no servers run")
	}
	_, err = os.Stdout.Write(text)
	return err
}

// stop ends what start started, and waits until it is gone.
func stop(ctx context.Context, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil {
		return nil // nothing runs
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("read whom to stop: %w", err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); errors.Is(err, syscall.ESRCH) {
		return os.RemoveAll(dir)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the servers are gone: %w", ctx.Err())
		case <-tick.C:
			if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
				return nil
			}
		}
	}
}
