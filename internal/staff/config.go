package staff

import (
	"slices"
	"time"

	"kakehashi/internal/fault"
)

// Config says whose tokens are trusted and who may do what.
type Config struct {
	Issuer         string        `config:"issuer,required" doc:"職員トークンの発行者(iss)"`
	JWKSURL        string        `config:"jwks_url,required" doc:"発行者の公開鍵(JWKS)のURL"`
	Audience       string        `config:"audience,required" doc:"このゲートウェイを指す宛先(aud)。他団体のトークンを受け付けないための値"`
	MaxLife        time.Duration `config:"max_life" default:"12h" doc:"職員トークンの有効期間の上限。長いものは受け付けません"`
	Algorithms     []string      `config:"algorithms" default:"ES256" doc:"受け付ける署名方式。none と HS* は指定できません"`
	Leeway         time.Duration `config:"leeway" default:"30s" doc:"時計のずれの許容"`
	KeysRefresh    time.Duration `config:"keys_refresh" default:"5m" doc:"公開鍵を読み直す間隔"`
	KeysTrustedFor time.Duration `config:"keys_trusted_for" default:"24h" doc:"発行者が停止しているあいだ、最後に読めた公開鍵を信頼する時間"`
	RequiredACR    []string      `config:"required_acr" doc:"認めるログイン方法(acr)。空なら問いません。例: card+vein(ICカードと静脈)"`
	Grants         []Grant       `config:"grants" doc:"だれに何の役割を認めるか"`
}

// Grant gives a member of staff or a client system a role for a time.
type Grant struct {
	Staff  string `config:"staff" doc:"職員番号(client とどちらか一方)"`
	Client string `config:"client" doc:"システムのclient_id(staff とどちらか一方)"`
	Role   string `config:"role,required" enum:"case-worker|operator|auditor|case-system|integrator|contractor|disclosure|approver|notifier" doc:"役割"`
	From   string `config:"from" format:"date" doc:"この日から(空なら制限なし)"`
	To     string `config:"to" format:"date" doc:"この日まで(空なら制限なし)"`
}

// Procedure is what one procedure (事務手続) may see, and on what legal ground.
type Procedure struct {
	ID          string   `config:"id,required" doc:"事務手続の識別子"`
	Name        string   `config:"name,required" doc:"画面に出す名前"`
	LegalBasis  string   `config:"legal_basis,required" doc:"根拠法令(日付つきで管理し、変わったら新しい行を足します)"`
	From        string   `config:"from" format:"date" doc:"有効期間の初日"`
	To          string   `config:"to" format:"date" doc:"有効期間の末日"`
	Purposes    []Code   `config:"purposes,required" doc:"利用目的"`
	Rights      []Right  `config:"rights,required" doc:"役割ごとに見てよい項目"`
	WithoutCase []Code   `config:"without_case" doc:"案件なしで照会してよい理由(空なら案件なしは不可)"`
	Changes     []string `config:"changes" enum:"registration|mailing_address" doc:"この事務手続で行える台帳の変更(空なら変更は不可)"`
}

// Code is a code of the configuration with its word on screen.
type Code struct {
	Code string `config:"code,required" doc:"コード"`
	Name string `config:"name,required" doc:"画面に出す言葉"`
}

// Right lets roles see items.
type Right struct {
	Roles []string `config:"roles,required" enum:"case-worker|operator|auditor|case-system|integrator|contractor|disclosure|approver|notifier" doc:"役割"`
	Items []string `config:"items,required" enum:"name|kana|alias|birth_date|sex|relation|household_number|residency|postal_code|address|address_extra|phone|tax_class" doc:"項目"`
}

// Validate tells what is wrong with the configuration; nil: nothing. Its Field is the key
// that is wrong, relative to this section.
func (c Config) Validate() error {
	for _, a := range c.Algorithms {
		if !slices.Contains(signatures(), a) {
			return fault.New(fault.Invalid, "署名方式は %v のいずれかにしてください", signatures()).WithCode("KKH0121").WithField("algorithms")
		}
	}
	if len(c.Algorithms) == 0 {
		return fault.New(fault.Invalid, "受け付ける署名方式を1つ以上書いてください").WithCode("KKH0121").WithField("algorithms")
	}
	for _, g := range c.Grants {
		if (g.Staff == "") == (g.Client == "") {
			return fault.New(fault.Invalid, "grants の各行には staff か client のどちらか一方を書いてください").WithCode("KKH0122").WithField("grants")
		}
	}
	return nil
}

// signatures are the algorithms that can be allowed: asymmetric ones alone.
func signatures() []string {
	return []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"}
}
