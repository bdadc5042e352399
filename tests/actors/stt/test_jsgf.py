import pytest

from actors.stt.jsgf import Choice, Grammar, GrammarError, Repetition, Sequence, Word, parse


def rule(expansion: str) -> object:
    return parse(f"#JSGF V1.0; public <r> = {expansion};").rules["r"]


def word(text: str) -> Word:
    return Word(text, 1)


@pytest.mark.parametrize(
    ("expansion", "tree"),
    [
        ("hello", word("hello")),
        ("(hello)", word("hello")),
        ("good day", Sequence((word("good"), word("day")))),
        ('"good day" sir', Sequence((Sequence((word("good"), word("day"))), word("sir")))),
        ("yes | no", Choice(((1.0, word("yes")), (1.0, word("no"))))),
        ("/10/ yes | /2/ no", Choice(((1.0, word("yes")), (0.2, word("no"))))),
        ("/0.5/ yes | /0/ no", Choice(((1.0, word("yes")),))),
        ("[please]", Choice(((1.0, word("please")), (1.0, Sequence(()))))),
        ("very*", Repetition(word("very"))),
        ("very+", Sequence((word("very"), Repetition(word("very"))))),
        ("yes {accept} please {kindly}", Sequence((word("yes"), word("please")))),
        (r"yes {a \} brace}", word("yes")),
        ("<NULL>", Sequence(())),
        ("<VOID>", Choice(())),
        ("it's o'clock check-up", Sequence((word("it's"), word("o'clock"), word("check-up")))),
        ("yes /* or /* not */ // indeed\n", word("yes")),
    ],
)
def test_each_construct_is_read(expansion: str, tree: object) -> None:
    assert rule(expansion) == tree


def test_rules_are_known_by_their_names_with_and_without_the_grammars() -> None:
    text = "\ufeff#JSGF V1.0 UTF-8 en;\ngrammar com.desk;\npublic <a> = <b> <com.desk.b>;\n<b> = hello;\n"
    assert [word.text for word in parse(text).words()] == ["hello"]
    assert parse(text).public == ("a",)


def test_words_know_their_lines() -> None:
    grammar = parse("#JSGF V1.0;\n/* two\nlines */\npublic <a> = yes\n | no;")
    assert {word.text: word.line for word in grammar.words()} == {"yes": 4, "no": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("public <a> = yes;", "line 1: a grammar begins with"),
        ("#JSGF V1.0;\n<a> = yes;", "line 2: no rule is public"),
        ("#JSGF V1.0;\npublic <a> = yes", "line 2: expected ';', found 'the end of the grammar'"),
        ("#JSGF V1.0;\npublic <a> = ;", "line 2: expected words or rules"),
        ("#JSGF V1.0;\npublic <a> = yes | ;", "line 2: expected words or rules"),
        ("#JSGF V1.0;\npublic <a> = [yes;", "line 2: expected ']'"),
        ("#JSGF V1.0;\n\npublic <a> = yes {no;", "line 3: '{' has no end"),
        ("#JSGF V1.0;\npublic <a> = <b>;", "line 2: there is no rule <b>"),
        ("#JSGF V1.0;\npublic <a> = <b>;\n<b> = yes <a>;", "line 3: <a> contains itself"),
        ("#JSGF V1.0;\npublic <a> = yes;\npublic <a> = no;", "line 3: <a> is defined twice"),
        ("#JSGF V1.0;\nimport <other.*>;\npublic <a> = yes;", "line 2: import is not supported"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(GrammarError) as error:
        parse(text)
    assert str(error.value).startswith(message)


def test_a_grammar_may_have_several_public_rules() -> None:
    assert isinstance(parse("#JSGF V1.0; public <a> = yes; public <b> = no;"), Grammar)
