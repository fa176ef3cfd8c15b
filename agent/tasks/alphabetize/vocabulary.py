"""Common words that generated tasks draw from."""

_COMMON = """
agent album almond amber anchor angle ankle apple apricot apron arch armor artist atlas attic autumn avenue baker
balcony ballet bamboo banana banjo banner barley basin basket beetle bench berry bicycle bishop blanket blossom bonnet
bottle boulder bracket branch broom buffalo bugle butter button cabbage cabin cactus camel camera candle canoe canyon
captain caravan carpet carrot castle cedar cellar cherry chimney circus clarinet clock clover cobalt coconut comet
compass copper coral cotton cousin cradle crater cricket crocus crown crystal cube cushion custard dagger daisy dancer
dawn deer delta diamond dinner doctor dolphin donkey dragon drummer dune eagle earth echo eclipse elbow elephant ember
engine estuary evening fabric farmer feather fennel fiddle field finger flame flute fog forest fossil fountain fox frost
galaxy gallery garden garlic geyser ginger giraffe glacier globe goblet granite gravel guitar hamster harbor harvest
hazel hedge helmet hill honey hornet horse hotel iceberg igloo indigo island ivory jaguar jelly jewel jigsaw juggler
jungle juniper kayak kennel kernel kettle kidney kingdom kitchen kiwi knight ladder lagoon lantern lasso lawn leather
lentil leopard letter lettuce library lilac lion lobster locket lotus lumber magnet mango marble market marsh medal
melon mitten moment monkey moon morning moss mountain muffin museum mustard napkin needle nephew noodle nutmeg oasis
ocean octopus olive orange orchid otter oven owl paddle palace paper parade parrot pasta peanut pearl pebble pelican
pencil piano pickle pigeon pillow pilot plum poet poppy potato prairie pumpkin puppet puzzle quail quarry queen quilt
rabbit radish raft raven reef ribbon river robin rocket rope ruby saddle sailor salmon sandal school scissors shark
shell shovel skirt sled snail snow sofa spade spider spinach sponge squirrel statue stone storm summer sunset swan table
tailor teapot temple thimble thunder tiger timber tomato torch tower tractor tunnel turnip turtle umbrella uncle valley
vanilla velvet village vinegar volcano waffle wagon walnut walrus water weasel wheat whistle willow window wizard wolf
yacht yarn yellow yogurt zebra zipper
"""
COMMON = tuple(_COMMON.split())
"""Common English nouns. No word is a substring of another, so the first match of a word is the word itself."""
