package web

// The fields of forms as the shared parts of the pages take them.

// textField is a line of text.
type textField struct {
	Name, Label, Value, Error string
	Required, Long            bool
}

// dateField is a date in four fields, whose names begin with Name.
type dateField struct {
	Name, Label, Error string
	Value              dateParts
}

// Eras gives what the form offers beside the year.
func (dateField) Eras() []string { return eras() }

// reasonField is the reason that an operator gives.
type reasonField struct{ Value, Error string }

// TextFields gives the lines of a guardian who lives elsewhere.
func (f registerForm) TextFields() []textField {
	return []textField{
		{Name: "name", Label: "氏名", Value: f.Name, Error: f.Errors["name"], Required: true},
		{Name: "kana", Label: "氏名（カナ）", Value: f.Kana, Error: f.Errors["kana"], Required: true},
		{Name: "address", Label: "住所（方書まで）", Value: f.Address, Error: f.Errors["address"], Required: true, Long: true},
	}
}

// NumberField gives the line of a guardian who is named by number.
func (f registerForm) NumberField() textField {
	return textField{Name: "guardian_number", Label: "保護者の宛名番号", Value: f.Number, Error: f.Errors["guardian_number"]}
}

// BornField gives the birth date of a guardian who lives elsewhere.
func (f registerForm) BornField() dateField {
	return dateField{Name: "born", Label: "生年月日", Value: f.Born, Error: f.Errors["born"]}
}

// AppliedField gives the day of the application.
func (f registerForm) AppliedField() dateField {
	return dateField{Name: "applied", Label: "申請日", Value: f.Applied, Error: f.Errors["applied"]}
}

// TextFields gives the lines of a mailing address.
func (f mailingForm) TextFields() []textField {
	return []textField{
		{Name: "name", Label: "宛名（空なら保護者）", Value: f.Name},
		{Name: "postal_code", Label: "郵便番号", Value: f.Postal},
		{Name: "address", Label: "住所", Value: f.Address, Error: f.Errors["address"], Required: true, Long: true},
		{Name: "address_extra", Label: "方書", Value: f.Ext, Long: true},
	}
}

// FromField gives the first day on which the address holds.
func (f mailingForm) FromField() dateField {
	return dateField{Name: "from", Label: "この日から", Value: f.From, Error: f.Errors["from"]}
}

// Total gives how many changes the plan is about.
func (v planView) Total() int { return v.Can + v.Cannot }

// ReasonField gives the reason as it was typed.
func (v planView) ReasonField() reasonField { return reasonField{v.Reason, v.Errors["reason"]} }

// ReasonField gives the reason as it was typed.
func (v changeView) ReasonField() reasonField { return reasonField{Value: v.Reason} }

// Of selects the one change.
func (v changeView) Of() selected { return selected{ID: v.ID} }

// ReasonField gives the field of a reason to stop or to go on.
func (v replayView) ReasonField() reasonField { return reasonField{Error: v.Error} }
