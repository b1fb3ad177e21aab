package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// LoadHost reads a host's file and those of its municipalities. The environment, in the form
// of [os.Environ], overrides what stands in the host's own file; of a municipality's it
// overrides nothing, since one value would be every municipality's. The Host is nil where
// there is any problem; all of them are told, those of the host's file first.
func LoadHost(path string, env []string) (*Host, []Problem) {
	h := &Host{}
	own := decode(h, path, env)
	problems := own.problems
	var cities []*decoder
	for i := range h.Municipalities {
		one := &h.Municipalities[i]
		if one.Config == "" {
			cities = append(cities, nil) // told already
			continue
		}
		one.File = &File{}
		d := decode(one.File, one.Config, nil)
		cities = append(cities, d)
		problems = append(problems, d.problems...)
		h.Warnings = append(h.Warnings, d.unused("listen", "log")...)
		if one.File.Telemetry.OTLPEndpoint == "" {
			one.File.Telemetry = h.Telemetry
		}
	}
	if problems = append(problems, own.shared(h.Municipalities, cities)...); len(problems) > 0 {
		return nil, problems
	}
	return h, nil
}

// unused warns of sections that a host does not read.
func (d *decoder) unused(sections ...string) []Problem {
	var all []Problem
	for _, section := range sections {
		for path := range d.places {
			if strings.HasPrefix(path, section+".") {
				where := d.places[section]
				all = append(all, Problem{
					File: d.file, Line: where.line, Column: where.column, Code: codeUnused,
					Text: fmt.Sprintf("「%s」は使いません。複数の自治体を動かすときは、全体の設定ファイルに書いたものを使います。", section),
				})
				break
			}
		}
	}
	return all
}

// claim is what one municipality has for itself alone.
type claim struct {
	kind  string // claims of one kind must differ
	value string
	from  *decoder
	key   string // where it stands
	code  string
	what  string
}

// shared complains of what two municipalities have in common and must not, with both places.
func (d *decoder) shared(list []Hosted, cities []*decoder) []Problem {
	var problems []Problem
	first := map[[2]string]claim{}
	for i, one := range list {
		claims := []claim{{"name", one.Name(), d, join("municipalities", strconv.Itoa(i)), codeSameName, "呼ばれる名前（host か path）"}}
		if from := cities[i]; from != nil && len(from.problems) == 0 {
			claims = append(claims, claimsOf(one.File, from)...)
		}
		for _, c := range claims {
			if c.value == "" {
				continue // told already
			}
			was, taken := first[[2]string{c.kind, c.value}]
			if taken && was.from == c.from && (c.kind == "file" || c.kind == "role") {
				continue // one municipality's own affair
			}
			if !taken {
				first[[2]string{c.kind, c.value}] = c
				continue
			}
			where, other := c.from.nearestPlace(c.key), was.from.nearestPlace(was.key)
			problems = append(problems, Problem{
				File: c.from.file, Line: where.line, Column: where.column, Code: c.code,
				Text: fmt.Sprintf("%sが %s:%d と同じです。自治体ごとに別のものにしてください。", c.what, was.from.file, other.line),
			})
		}
	}
	return problems
}

// claimsOf gives what the file of one municipality has for itself.
func claimsOf(f *File, from *decoder) []claim {
	claims := []claim{
		{"code", f.Municipality.Code, from, "municipality.code", codeSameCode, "自治体コード"},
		{"database", databaseOf(f), from, "database.url", codeSameDatabase, "データベース（PostgreSQL ではスキーマも合わせて）"},
		{"role", roleOf(f.Database.URL), from, "database.url", codeSameRole, "PostgreSQL の利用者"},
		{"role", roleOf(f.Database.OwnerURL), from, "database.owner_url", codeSameRole, "PostgreSQL の利用者"},
		{"token", f.Staff.Issuer + " " + f.Staff.Audience, from, "staff.audience", codeSameToken, "職員トークンの発行者と宛先（issuer と audience）の組"},
	}
	// Names of brokers tell no clusters apart: one cluster has many. A topic's name is one city's.
	if f.Events.Publishes(time.Now()) {
		claims = append(claims, claim{"topic", f.Events.Topic, from, "events.topic", codeSameTopic, "変更を知らせる Kafka のトピック"})
	}
	if f.Events.Notices.Enabled {
		claims = append(claims, claim{"topic", f.Events.Notices.Topic, from, "events.notices.topic", codeSameTopic, "変更通知を読む Kafka のトピック"})
	}
	for _, file := range []struct{ key, path string }{
		{"mac_key_file", f.Record.MACKeyFile},
		{"signing_key_file", f.Record.SigningKeyFile},
		{"public_key_file", f.Record.PublicKeyFile},
		{"checkpoints_file", f.Record.CheckpointsFile},
	} {
		claims = append(claims, claim{"file", sameFile(file.path), from, "record." + file.key, codeSameFile, "記録の鍵か控えのファイル"})
	}
	return claims
}

// roleOf names the role of a PostgreSQL server that a URL connects as, whichever database it
// names: roles are the server's. Empty: it is no PostgreSQL.
func roleOf(text string) string {
	server := serverOf(text)
	if server == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return server + " " + u.User.Username()
}

// databaseOf names the database of a municipality so that the same one has the same name.
func databaseOf(f *File) string {
	if path := f.Database.Path(); path != "" {
		return sameFile(path)
	}
	u, err := url.Parse(f.Database.URL)
	if err != nil {
		return f.Database.URL
	}
	return strings.Join([]string{serverOf(f.Database.URL), u.Path, f.Database.Schema}, " ") // whoever connects
}

// sameFile follows links, so that one file by two names is one.
func sameFile(path string) string {
	if path == "" {
		return ""
	}
	if plain, err := filepath.EvalSymlinks(path); err == nil {
		return plain
	}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil { // the file is made later
		return filepath.Join(folder, filepath.Base(path))
	}
	return filepath.Clean(path)
}
