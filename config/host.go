package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"kakehashi/internal/fault"
	"kakehashi/internal/web"
)

// Host is the configuration of one program that serves several municipalities. It says who
// is called how; all else of a municipality stands in that one's own [File], which is the
// same file that a program of its own would read.
type Host struct {
	Listen         web.Config `config:"listen" doc:"APIを公開するところ。すべての自治体で1つです"`
	Municipalities []Hosted   `config:"municipalities,required" doc:"自治体ごとの設定ファイルと、呼ばれる名前"`
	Gateways       int        `config:"gateways" default:"1" doc:"同じデータベースで動かすゲートウェイの数。接続数の計算に使います"`
	Telemetry      Telemetry  `config:"telemetry" doc:"計測値とトレースの送り先。自治体の設定に書いてあればそちらへ送ります"`
	Log            Log        `config:"log" doc:"運用ログ（標準エラー出力）。すべての自治体で1つです"`

	Warnings []Problem `config:"-"` // what stands in a municipality's file and is not used
}

// Hosted is one municipality of a host's.
type Hosted struct {
	Config      string `config:"config,required" format:"path" doc:"この自治体の設定ファイル"`
	Host        string `config:"host" doc:"この自治体が呼ばれるホスト名（ポートは書きません）。path とどちらか一方"`
	Path        string `config:"path" doc:"この自治体が呼ばれるパスの先頭（例 /132012）。host とどちらか一方"`
	MaxRequests int    `config:"max_requests" default:"32" doc:"同時に受け付ける要求の数の上限。ほかの自治体を待たせないための値です"`
	MaxRate     int    `config:"max_rate" default:"50" doc:"1秒に受け付ける要求の数の上限。ほかの自治体を待たせないための値です"`

	File *File `config:"-"` // what Config says
}

// Numbers of what can be wrong with a host's configuration.
const (
	codeSameCode     = "KKH0160"
	codeSameDatabase = "KKH0161"
	codeSameFile     = "KKH0162"
	codeSameName     = "KKH0163"
	codeSameToken    = "KKH0164"
	codeName         = "KKH0165" // neither host nor path, both, or not of their form
	codeUnused       = "KKH0166" // a section of a municipality's file that the host does not use
	codeHostNumber   = "KKH0167" // a number that is out of its range
	codeSameTopic    = "KKH0168"
	codeSameRole     = "KKH0169"
)

// hostMost bounds the numbers of a host's configuration.
const (
	gatewaysMost = 100
	requestsMost = 10_000
	rateMost     = 100_000
)

// Validate tells what is wrong with the numbers.
func (h Host) Validate() error {
	if h.Gateways < 1 || h.Gateways > gatewaysMost {
		return fault.New(fault.Invalid, "1から%dの間にしてください", gatewaysMost).WithCode(codeHostNumber).WithField("gateways")
	}
	return nil
}

// Validate tells what is wrong with how a municipality is called.
func (h Hosted) Validate() error {
	wrong := func(field, code, text string) error {
		return fault.New(fault.Invalid, "%s", text).WithCode(code).WithField(field)
	}
	segment := strings.TrimPrefix(h.Path, "/")
	switch {
	case (h.Host == "") == (h.Path == ""):
		return wrong("config", codeName, "この自治体が呼ばれる名前を、host か path のどちらか一方に書いてください")
	case h.Host != "" && !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`).MatchString(h.Host):
		return wrong("host", codeName, "ホスト名だけを半角で書いてください（http:// やポートは書きません）")
	case h.Path != "" && !regexp.MustCompile(`^/[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`).MatchString(h.Path):
		return wrong("path", codeName, "/132012 のように、/ と半角の英数字（_ と - も可）1区切りで書いてください")
	case slices.Contains(reserved(), segment):
		return wrong("path", codeName, "このパスは API が使います。別のパスにしてください")
	case h.MaxRequests < 1 || h.MaxRequests > requestsMost:
		return wrong("max_requests", codeHostNumber, "1から10000の間にしてください")
	case h.MaxRate < 1 || h.MaxRate > rateMost:
		return wrong("max_rate", codeHostNumber, "1から100000の間にしてください")
	}
	return nil
}

// Name gives how the municipality is called: its host in small letters, or its path.
func (h Hosted) Name() string { return cmp.Or(strings.ToLower(h.Host), h.Path) }

// reserved are the first parts of paths that a gateway answers itself.
func reserved() []string {
	return []string{"v1", "healthz", "readyz", "metrics", "problems", "console", "static"}
}

// IsHost tells whether the file at path is a host's: it lists municipalities. What cannot be
// read is none, and Load says why.
func IsHost(path string) bool {
	content, err := readFile(path)
	if err != nil {
		return false
	}
	var root struct {
		Municipalities yaml.Node `yaml:"municipalities"`
	}
	return yaml.Unmarshal(content, &root) == nil && !root.Municipalities.IsZero()
}
