package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kakehashi/adapters/address"
	"kakehashi/config"
	"kakehashi/internal/audit"
	"kakehashi/internal/fault"
	"kakehashi/internal/staff"
	"kakehashi/internal/wire"
	"kakehashi/mapping"
)

func initCommand(s streams) *cobra.Command {
	var dir, code, name string
	var grants []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "init",
		Short: "本番用のフォルダー（設定・鍵・最初の権限）を作ります",
		Long: `フォルダーに、説明つきの設定ファイル kakehashi.yaml、記録の鍵、最初の役割を作ります。
すでに設定がある場所には書きません。作ったあと、設定の「要記入」を書きかえ、相手先のシークレットを
keys フォルダーに置き、kakehashi config check で確かめてから kakehashi serve で始めます。`,
		Example: "  kakehashi init --dir /var/lib/kakehashi --municipality 112127 --name 東松山市 \\\n    --grant 10021=case-worker --grant 20034=operator --grant 30001=auditor",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if v, err := mapping.Check("municipality-code", code); err != nil || v.State != mapping.Valid {
				return usage{errors.New("--municipality は検査数字の合う6桁の全国地方公共団体コードにしてください: " + v.Text)}
			}
			text, err := initialise(dir, code, name, grants)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(s.out, map[string]any{"ok": true, "config": filepath.Join(dir, configFile)})
			}
			_, err = fmt.Fprint(s.out, text)
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "作る場所（必須）")
	c.Flags().StringVar(&code, "municipality", "", "全国地方公共団体コード（必須。検査数字を含む6桁）")
	c.Flags().StringVar(&name, "name", "", "自治体の名前（必須）")
	c.Flags().StringArrayVar(&grants, "grant", nil, "最初の役割 職員番号=役割（くり返せます。client:ID=case-system も書けます）")
	jsonFlag(c, &asJSON)
	required(c, "dir", "municipality", "name")
	return c
}

// initialise makes the folder and says what is left to do.
func initialise(dir, code, name string, grants []string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", usage{errors.New("--dir を読めません")}
	}
	if _, err := os.Stat(filepath.Join(dir, configFile)); err == nil {
		return "", &ending{code: exitUsage, text: "KKH5005 このフォルダーにはすでに設定があります。別の場所を指定してください（鍵も設定も書きかえていません）。"}
	}
	f := newConfig(dir)
	f.Municipality = config.Municipality{Code: code, Name: name, Environment: "staging"}
	f.Staff.Issuer = "https://issuer" + unknownHost
	f.Staff.JWKSURL = "https://issuer" + unknownHost + "/jwks"
	f.Staff.Audience = "kakehashi:" + code
	f.Staff.RequiredACR = []string{"card+vein"}
	if f.Staff.Grants, err = firstGrants(grants); err != nil {
		return "", err
	}
	f.Neighbours.Address = address.Defaults()
	for system, n := range map[string]*wire.Config{"residents": &f.Neighbours.Residents, "tax": &f.Neighbours.Tax, "address": &f.Neighbours.Address.Config} {
		*n = wire.Defaults()
		n.BaseURL = "https://" + system + unknownHost
		n.ClientID = unknownClient()
		n.SecretFile = secretFile(dir, system)
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return "", usage{errors.New("--dir にフォルダーを作れません")}
	}
	if err := audit.GenerateKeys(filepath.Join(dir, "keys")); err != nil {
		return "", err
	}
	if err := writeConfig(dir, f); err != nil {
		return "", err
	}
	return fmt.Sprintf(`作りました: %s

次にすること:
 1. %s の staff（職員認証の発行者）と neighbours（相手先のURLとクライアントID）を書きかえる
    （example.invalid と 000… が要記入の値です）
 2. 相手先のシークレットを keys/residents.secret, keys/tax.secret, keys/address.secret に置く（権限 600）
 3. procedures の根拠法令と見てよい項目を、貴団体の条例と評価書に合わせる
 4. kakehashi config check %s
 5. kakehashi serve --dir %s
 6. keys/%s（公開鍵）と checkpoints.txt を、監査人の手元に控える
`, filepath.Join(dir, configFile), configFile, filepath.Join(dir, configFile), dir, audit.PublicKeyName), nil
}

// firstGrants reads STAFF=ROLE and client:ID=ROLE.
func firstGrants(pairs []string) ([]staff.Grant, error) {
	roles := []string{"case-worker", "operator", "auditor", "case-system", "integrator", "contractor", "disclosure", "approver", "notifier"}
	var grants []staff.Grant
	for _, pair := range pairs {
		who, role, ok := strings.Cut(pair, "=")
		if !ok || who == "" || !slices.Contains(roles, role) {
			return nil, usage{fmt.Errorf("--grant は 職員番号=役割 の形にしてください。役割: %s", strings.Join(roles, ", "))}
		}
		g := staff.Grant{Staff: who, Role: role}
		if id, client := strings.CutPrefix(who, "client:"); client {
			g = staff.Grant{Client: id, Role: role}
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// What init writes where it cannot know: a host that exists nowhere (RFC 6761) and a client
// ID of zeros.
const unknownHost = ".example.invalid"

func unknownClient() string { return strings.Repeat("0", 32) }

// filledIn is Invalid while a value that init could not know still stands in the
// configuration.
func filledIn(f *config.File) error {
	var left []string
	for key, value := range map[string]string{
		"staff.issuer": f.Staff.Issuer, "staff.jwks_url": f.Staff.JWKSURL,
		"neighbours.residents.base_url": f.Neighbours.Residents.BaseURL, "neighbours.residents.client_id": f.Neighbours.Residents.ClientID,
		"neighbours.tax.base_url": f.Neighbours.Tax.BaseURL, "neighbours.tax.client_id": f.Neighbours.Tax.ClientID,
		"neighbours.address.base_url": f.Neighbours.Address.BaseURL, "neighbours.address.client_id": f.Neighbours.Address.ClientID,
	} {
		if strings.Contains(value, unknownHost) || value == unknownClient() {
			left = append(left, key)
		}
	}
	if len(left) == 0 {
		return nil
	}
	slices.Sort(left)
	return fault.New(fault.Invalid, "要記入の値が残っています: %s", strings.Join(left, ", ")).WithCode("KKH0125").WithField(left[0])
}
