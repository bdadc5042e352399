"""Words that the model does not know: speech of them teaches it what `[unk]` sounds like."""

from bench.tiny.vosk import sentences

_TEXT = """
able above account across act add adult advice agree air alarm album alone animal apple april arm army art autumn baby
back bag ball banana band bank basket bath beach bean bear beautiful because bed beef before begin bell below best
better between bird black blanket blood blue board boat body bone border bottle bottom bowl box boy brain branch bread
bridge bright brother brown brush bubble bucket build burn butter button cabin cake camera camp candle captain card
carpet castle cat caught cause century chair cheese cherry chicken chocolate church circle city class clay clean
clever cloud coat coffee cold colour common copper corner cotton country cousin cow cream crowd cup curtain dance dark
deep desert desk diamond dinner dish dog dollar door double dozen dragon draw dream dress drink drive dry duck dust
eagle ear earth east easy egg elephant empty engine enough enter envelope every eye face factory fair family famous
farm fast father feather february feet fence few field fight finger fire fish flag flat flour flower fly food foot
forest forty forward frame friend frog fruit full garden gate gentle giraffe glass glove gold goose grape grass green
grey ground group guitar hair hammer hand happy hard hat heart heavy height hill history holiday honey horse hospital
hotel house hundred hungry husband ice idea inside iron island jacket january jewel juice july jump jungle june kettle
key king kitchen kitten knife ladder lake lamb lamp language large laugh law leaf leather left leg lemon lesson letter
library light lion listen little lizard loud love lunch magic market marriage master match material meadow meat
medicine melon metal middle million mirror money monkey moon mother mountain mouse mouth movie music narrow nation
needle neighbour nest net newspaper noise north nose notebook number nurse ocean october oil old onion orange orchard
other owner page paint palace paper parent partner party passenger path peace pencil people pepper picture piece
pillow pilot pipe plane planet plant plastic plate pocket poem point police pond poor potato powder present president
pretty prince problem proud pupil puzzle queen quick quiet rabbit radio rain reach ready red refuse remember ribbon
rice rich ride ring river road rocket roof rope rough round rule sad safe sail salt sand sauce school science scissors
season secret seed shadow shape sharp sheep shelf ship shirt shoe shop short shoulder silver simple sister sixty skin
sky sleep slow small smile smoke snake snow soap soft soldier song soup south spider spoon spring square stage star
steel stone storm story stranger street string strong student sugar summer sun sweet swim table tail tall taste
teacher temperature tennis theatre thick thin thousand thunder ticket tiger tired tobacco tomato tongue touch towel
town toy travel tree trouble trumpet turkey umbrella uncle under university valley vegetable village violin voice
volcano voyage walk wall warm wash water weather wedding wheel whisper white wide wild window winter wise wolf woman
wood wool word world yard year yellow yesterday young
"""


def strangers() -> tuple[str, ...]:
    """In alphabetical order."""
    return tuple(sorted(set(_TEXT.split()) - set(sentences.words())))
