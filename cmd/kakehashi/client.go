package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"kakehashi/internal/sandbox"
)

// runningFile is written into the gateway's folder while it runs, so that commands find it.
const runningFile = "gateway.json"

// running is what runningFile says.
type running struct {
	API          string `json:"api"`
	Host         string `json:"host,omitempty"` // the name to call it by, where others share its address
	Console      string `json:"console,omitempty"`
	Municipality string `json:"municipality"`
	PID          int    `json:"pid"`
}

// server is how a command finds the gateway that runs: by its folder, or by its address
// and a token.
type server struct {
	dir, url, tokenFile string
}

// flags adds the ways to name a gateway to a command.
func (s *server) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.dir, "dir", "", "ゲートウェイのフォルダー（demo の --dir と同じ。役割に合う試験用トークンを使います）")
	c.Flags().StringVar(&s.url, "server", "", "ゲートウェイのURL（--token-file と一緒に）")
	c.Flags().StringVar(&s.tokenFile, "token-file", "", "職員トークンを書いたファイル")
}

// client speaks to one gateway as one member of staff.
type client struct {
	base, token string
	host        string // the name to call it by; empty: base's
	http        *http.Client
}

// connect makes a client; role is the demo token's, where the folder is a demo's.
func (s *server) connect(role string) (*client, error) {
	c, err := s.reach(time.Minute)
	if err != nil {
		return nil, err
	}
	if s.url != "" && s.tokenFile == "" {
		return nil, usage{errors.New("--server には --token-file が必要です")}
	}
	if s.tokenFile != "" {
		c.token, err = readToken(s.tokenFile)
	} else {
		c.token, err = sandbox.Token(filepath.Join(s.dir, sandboxFolder), sandbox.TokenRequest{Role: role})
		if err != nil {
			err = usage{errors.New("このフォルダーは demo のものではありません。--token-file を指定してください")}
		}
	}
	return c, err
}

// reach makes a client that brings no token.
func (s *server) reach(timeout time.Duration) (*client, error) {
	base, host, err := s.address()
	if err != nil {
		return nil, err
	}
	c := &client{base: base, host: host, http: &http.Client{Timeout: timeout}}
	if host != "" { // the certificate is of the name, not of the address
		c.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}
	}
	return c, nil
}

// address gives the base URL of the gateway, and the name to call it by where that is
// another.
func (s *server) address() (base, host string, err error) {
	switch {
	case s.dir != "" && s.url != "":
		return "", "", usage{errors.New("--dir と --server はどちらか一方にしてください")}
	case s.url != "":
		return strings.TrimSuffix(strings.TrimSuffix(s.url, "/"), "/v1"), "", nil
	case s.dir != "":
		r, err := readRunning(s.dir)
		return r.API, r.Host, err
	default:
		return "", "", usage{errors.New("ゲートウェイを --dir か --server で指定してください")}
	}
}

func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", usage{errors.New("--token-file を読めません")}
	}
	return strings.TrimSpace(string(b)), nil
}

// readRunning tells where the gateway of the folder runs.
func readRunning(dir string) (running, error) {
	var r running
	b, err := os.ReadFile(filepath.Join(dir, runningFile))
	if err != nil {
		return r, &ending{code: exitUnavailable, text: "KKH5102 このフォルダーのゲートウェイは動いていません。demo か serve で始めてください。"}
	}
	if err := json.Unmarshal(b, &r); err != nil || r.API == "" {
		return r, &ending{code: exitUnavailable, text: "KKH5102 " + runningFile + " を読めません。ゲートウェイを始めなおしてください。"}
	}
	return r, nil
}

// problem is a problem detail (RFC 9457) as the gateway answers it.
type problem struct {
	Title      string `json:"title"`
	Detail     string `json:"detail"`
	Status     int    `json:"status"`
	Code       string `json:"code"`
	Instance   string `json:"instance"`
	NextAction string `json:"next_action"`
	RetryAfter int    `json:"retry_after"`
	Errors     []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// post sends body and reads the answer into out; a problem becomes an ending with the exit
// code that its status means. out may be nil, or an io.Writer for a stream.
func (c *client) post(ctx context.Context, path string, body, out any) error {
	return c.send(ctx, path, "", body, out)
}

// send is post with the Idempotency-Key, where there is one.
func (c *client) send(ctx context.Context, path, key string, body, out any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(b))
	if err != nil {
		return usage{errors.New("ゲートウェイのURLを読めません")}
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return c.call(req, out)
}

// get reads the answer of an address into out, as post does.
func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return usage{errors.New("ゲートウェイのURLを読めません")}
	}
	return c.call(req, out)
}

func (c *client) call(req *http.Request, out any) error {
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Host = c.host
	res, err := c.http.Do(req)
	if err != nil {
		if req.Context().Err() != nil {
			return &ending{code: exitInterrupted, text: "KKH5103 中断しました。"}
		}
		return &ending{code: exitUnavailable, text: "KKH5101 ゲートウェイにつながりません。動いているか確かめてください（kakehashi doctor）。"}
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		return refusal(res)
	}
	if w, ok := out.(io.Writer); ok {
		if _, err := io.Copy(w, res.Body); err != nil {
			return &ending{code: exitUnavailable, text: "KKH5104 応答が途中で切れました。もう一度実行してください。"}
		}
		return nil
	}
	if out == nil {
		return nil
	}
	if err := json.UnmarshalRead(res.Body, out); err != nil {
		return &ending{code: exitInternal, text: "KKH5105 ゲートウェイの応答を読めません。版が違うかもしれません（kakehashi version）。"}
	}
	return nil
}

// refusal makes an ending of a problem detail.
func refusal(res *http.Response) error {
	var p problem
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err := json.Unmarshal(b, &p); err != nil || p.Code == "" {
		return &ending{code: statusCode(res.StatusCode, ""), text: fmt.Sprintf("KKH5105 ゲートウェイの応答を読めません（HTTP %d）。", res.StatusCode)}
	}
	var text strings.Builder
	text.WriteString(p.Code + " " + p.Title)
	if p.Detail != "" && p.Detail != p.Title {
		text.WriteString("\n" + p.Detail)
	}
	for _, e := range p.Errors {
		text.WriteString("\n  " + e.Pointer + ": " + e.Detail)
	}
	if p.NextAction != "" {
		text.WriteString("\n対処: " + p.NextAction)
	}
	if p.Instance != "" {
		text.WriteString("\n照会番号: " + p.Instance)
	}
	return &ending{code: statusCode(res.StatusCode, p.Code), text: text.String()}
}

// statusCode is the exit code of a refused request.
func statusCode(status int, code string) int {
	switch {
	case status >= 500 && strings.HasPrefix(code, "KKH31"):
		return exitRecord
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return exitUsage
	case status == http.StatusServiceUnavailable, status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status == http.StatusTooManyRequests:
		return exitUnavailable
	case status >= 500:
		return exitInternal
	default:
		return exitData
	}
}
