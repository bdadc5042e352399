"""What the callers of `bench.hearing` say: a front desk's grammar, sentences that it holds, and others."""

GRAMMAR = """#JSGF V1.0;
grammar desk;
public <request> = [<hello>] (<hours> | <place> | <booking> | <change> | <person> | <price> | <chat>)
  [please | thank you] | <answer> | <hello> | <goodbye>;
<hours> = (when are you open | what are your [opening] hours | when do you (open | close) [<date>]
  | are you open [on] <date>
  | how late are you open [[on] <date>] | what time do you (open | close) [on <date>]);
<place> = (where are you [located] | what is your address | what's the address | how do I (get there | find you)
  | is there parking | can I park [there | nearby]);
<booking> = (I'd like to | I want to | can I | could I | I need to) (book | make) an appointment [<when>]
  | (do you have | is there) (anything | an appointment) [free] <when>;
<when> = [for | on] <date> [<clock>] | <clock> [on] [<date>];
<date> = today | tomorrow | (next | this) <day> | <day> [morning | afternoon];
<day> = monday | tuesday | wednesday | thursday | friday | saturday | sunday;
<clock> = at <hour> [thirty | fifteen | o'clock] [in the morning | in the afternoon];
<hour> = eight | nine | ten | eleven | twelve | one | two | three | four | five;
<change> = (I'd like to | I want to | can I | I need to) (cancel | change | move) my appointment [to <date>];
<person> = (can I | could I | I'd like to | let me) (speak to | talk to) (a person | someone | a human | <staff>)
  | put me through [to (a person | <staff>)] | is <staff> there;
<staff> = the dentist | the manager | doctor smith;
<price> = how much (does it cost | is a cleaning | is a check up) | do you take [my] insurance
  | do you accept credit cards;
<chat> = how are you [doing] [today] | what's your name | are you a (robot | machine | real person) | what can you do
  | can you hear me | could you (repeat | say) that [again] | I didn't understand [you | that]
  | what can you help me with;
<answer> = yes [please | that's right | that is correct] | no [thank you | thanks | that's wrong] | that's right
  | I don't know | never mind | maybe | <date> [<clock>] | <clock> | my name is <name> | nothing else;
<name> = (john | mary | peter | anna) (smith | miller | brown | taylor);
<hello> = hello | hi | good morning | good afternoon;
<goodbye> = goodbye | bye [bye] | thank you [very much] [goodbye | bye] | that's all [thank you] | have a nice day;
"""

UNDERSTOOD = """
hello
when are you open
what are your opening hours
hello what are your hours
when do you close
when do you open tomorrow
are you open on sunday
how late are you open on friday
what time do you close on saturday
where are you located
what is your address
hi what's the address
how do I get there
how do I find you please
is there parking
can I park nearby
I'd like to book an appointment
I'd like to book an appointment for tuesday at ten
I want to make an appointment tomorrow
can I book an appointment on monday at nine thirty
could I make an appointment for next thursday
I need to book an appointment at two in the afternoon
do you have anything free on wednesday
is there an appointment free tomorrow at four
do you have anything free this friday at eleven o'clock
I'd like to cancel my appointment
I need to change my appointment to thursday
can I move my appointment to next monday
can I speak to a person
could I talk to someone please
I'd like to speak to the dentist
let me talk to a human
put me through to the manager
is doctor smith there
how much does it cost
how much is a cleaning
do you take my insurance
do you accept credit cards
good morning how are you today
what's your name
are you a robot
are you a real person
what can you do
can you hear me
could you repeat that
could you say that again please
I didn't understand that
what can you help me with
yes
yes please
no
no thank you
that's right
I don't know
never mind
maybe
tuesday at three
thursday morning
at ten thirty
at nine o'clock in the morning
next wednesday
my name is mary taylor
my name is john smith
nothing else
good afternoon
goodbye
bye bye
thank you very much goodbye
that's all thank you
have a nice day
""".strip().splitlines()
"""Each is a sentence of the grammar."""

HESITANT = {
    "um, hello": "hello",
    "uh when are you open": "when are you open",
    "um, I'd like to book an appointment": "I'd like to book an appointment",
    "well what are your opening hours": "what are your opening hours",
    "uh can I speak to a person": "can I speak to a person",
    "hmm I don't know": "I don't know",
    "um, yes please": "yes please",
    "okay so where are you located": "where are you located",
    "could I talk to someone um": "could I talk to someone",
    "when do you close uh": "when do you close",
    "er how much is a cleaning": "how much is a cleaning",
    "oh that's all thank you": "that's all thank you",
}
"""Sentences of the grammar with something before or after them that is not in it, and what should be understood."""

FOREIGN = """
the weather was terrible in london last week
my brother bought a new bicycle yesterday
seven hundred people watched the football match
I think we should paint the kitchen yellow
did you remember to feed the cat
turn left after the second traffic light
she plays the violin in an orchestra
the train to manchester leaves from platform six
mix the flour with two spoons of sugar
my computer keeps crashing when I print
he was born in nineteen fifty three
we went swimming in the lake all summer
what colour are your new curtains
could you bring some bread from the bakery
the children are playing in the garden
I forgot my umbrella on the bus
how many planets are in the solar system
this soup needs a little more pepper
the washing machine is making a strange noise
they are building a hotel beside the river
please send me the invoice by email
my knee hurts when I climb stairs
the president gave a long speech about taxes
is it true that penguins cannot fly
I lost my wallet somewhere near the station
she wants to study biology at university
there is a mouse behind the fridge
the museum has a collection of old clocks
why is the sky blue
let's have pizza for dinner
our flight was delayed by three hours
he plays chess with his grandfather every evening
the recipe calls for fresh basil
I can't find my glasses anywhere
how tall is mount everest
your package will be delivered between noon and six
the bridge is closed for repairs
who won the game last night
I would like two tickets for the concert
the dog barked at the postman again
can you translate this sentence into french
what is the capital of australia
my phone battery is almost empty
please water the plants while I am away
the coffee machine is out of order
tell me a joke about elephants
we need more chairs in the conference room
the battery in my car is dead
how do you spell rhythm
I am allergic to peanuts
""".strip().splitlines()
"""None is a sentence of the grammar, nor begins or ends with one."""
