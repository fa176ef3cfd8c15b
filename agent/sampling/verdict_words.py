"""Words for Yes and No in the languages that a judge may reply in."""

from collections.abc import Mapping, Sequence

YES_AND_NO: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "Arabic": (["نعم"], ["لا"]),
    "Chinese": (["是的", "是", "有的", "有", "对", "對"], ["不是", "没有", "沒有", "没", "无", "無", "否", "不"]),
    "Czech": (["ano"], []),
    "Dutch": (["ja"], ["nee"]),
    "English": (["yes", "yeah", "yep"], ["no", "nope"]),
    "Finnish": (["kyllä"], []),
    "French": (["oui"], ["non"]),
    "German": (["ja"], ["nein"]),
    "Greek": (["ναι"], ["όχι"]),
    "Hebrew": (["כן"], ["לא"]),
    "Hindi": (["हाँ", "हां"], ["नहीं"]),
    "Hungarian": (["igen"], ["nem"]),
    "Indonesian": (["ya"], ["tidak"]),
    "Italian": (["sì", "si"], ["no"]),
    "Japanese": (["はい"], ["いいえ"]),
    "Korean": (["네", "예"], ["아니요", "아니오"]),
    "Polish": (["tak"], ["nie"]),
    "Portuguese": (["sim"], ["não", "nao"]),
    "Russian": (["да"], ["нет"]),
    "Spanish": (["sí"], ["no"]),
    "Swedish": (["ja"], ["nej"]),
    "Turkish": (["evet"], ["hayır"]),
    "Ukrainian": (["так"], ["ні"]),
}  # fmt: skip
"""Yes words and No words by language; words that begin common English words are left out."""

CJK_NOUNS = (
    "错误",
    "錯誤",
    "错",
    "误",
    "缺陷",
    "问题",
    "問題",
    "瑕疵",
    "漏洞",
    "帮助",
    "幫助",
    "用",
    "效",
)
"""Nouns that may follow 有 or 没有: "没有错误" is a No."""
